/** What the tests of the simulated world share. */
import type { MulticastOptions, PacketReceiver, PacketSender } from '../../src/net/network.js'
import type { SimPlatform } from '../../src/sim/machine.js'
import { World } from '../../src/sim/world.js'

export const GROUP = { group: '239.0.0.1', port: 7000 }
export const SECOND_US = 1_000_000

export function groupOf(platform: SimPlatform): MulticastOptions {
  const { address } = platform.process.machine
  return {
    ...GROUP,
    interfaceAddress: address,
    onError: (error) => {
      throw error
    },
  }
}

export interface Heard {
  readonly atUs: number
  readonly from: string
  readonly bytes: number[]
}

export interface Station {
  platform: SimPlatform
  readonly heard: Heard[]
  sender: PacketSender
  receiver: PacketReceiver
}

/** Machines that hear the same group, each with a process. */
export async function stations(world: World, names: readonly string[]): Promise<Station[]> {
  const found: Station[] = []
  for (const name of names) {
    const platform = world.addMachine(name).boot()
    const heard: Heard[] = []
    const listen = (packet: Uint8Array, from: string): void => {
      heard.push({ atUs: world.nowUs, from, bytes: [...packet] })
    }
    const sender = await platform.network.openMulticastSender(groupOf(platform))
    const receiver = await platform.network.openMulticastReceiver(groupOf(platform), listen)
    found.push({ platform, heard, sender, receiver })
  }
  return found
}

export function newWorld(seed = 1): World {
  return new World({ seed })
}
