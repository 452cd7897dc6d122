/**
 * Addresses that a user configures, checked before any socket is opened, so that a slip gives a sentence instead of an
 * errno.
 */
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { SeqcastError } from '../core/errors.js'

/** A multicast stream: group and port. */
export interface GroupAddress {
  readonly group: string
  readonly port: number
}

/** `239.255.77.1:7701`. @throws SeqcastError E_GROUP */
export function parseGroup(text: string): GroupAddress {
  const { address, port } = parseHostPort(text, 'E_GROUP')
  if (!isMulticast(address)) {
    throw new SeqcastError('E_GROUP', `'${address}' is not an IPv4 multicast group`, {
      hint: 'choose one from 224.0.0.0 to 239.255.255.255, for example 239.255.77.1',
    })
  }
  return { group: address, port }
}

/** `127.0.0.1:7711`. @throws SeqcastError E_CONFIG (or the code given) */
export function parseHostPort(
  text: string,
  code: 'E_CONFIG' | 'E_GROUP' = 'E_CONFIG',
): { address: string; port: number } {
  const match = /^([^:]+):([0-9]{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match?.[1] === undefined || !isIPv4(match[1]) || !isPort(port)) {
    throw new SeqcastError(code, `'${text}' is not an IPv4 address and a port`, {
      hint: 'write it as ADDRESS:PORT, for example 127.0.0.1:7711',
    })
  }
  return { address: match[1], port }
}

/** A number that a socket can send to; Node throws at others. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

function isMulticast(address: string): boolean {
  const first = Number(address.split('.')[0])
  return isIPv4(address) && first >= 224 && first <= 239
}

/** The address of a local interface, given its address or its name. @throws SeqcastError E_INTERFACE */
export function resolveInterface(nameOrAddress: string): string {
  const known = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).filter((a) => a.family === 'IPv4').map((a) => ({ name, address: a.address })),
  )
  const found = known.find((k) => k.address === nameOrAddress || k.name === nameOrAddress)
  if (found !== undefined) return found.address
  const choices = known.map((k) => `${k.name} (${k.address})`).join(', ')
  throw new SeqcastError('E_INTERFACE', `no IPv4 interface '${nameOrAddress}' on this machine`, {
    hint: `choose one of: ${choices || 'none is up'}`,
  })
}
