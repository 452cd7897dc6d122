/**
 * One writer per session directory. The lock is a small file `lock.<generation>`: the highest generation tells who holds the
 * directory, or how its last holder left it. A new holder creates the next generation, which only one process can,
 * and a generation is removed only by a higher one. So a lock left by `kill -9` is taken over without a race.
 *
 * A holder is alive where its process id, its start time and the machine's boot id all still fit.
 */
import { closeSync, fsyncSync, linkSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError, systemCodeOf } from '../core/errors.js'

type LockState = 'held' | 'clean' | 'unclean'

interface Holder {
  readonly pid: number
  readonly startTime: string
  readonly boot: string
  readonly state: LockState
}

/** How the last holder left: `none` where there was none, `killed` where it never said. */
export type LastHolder = 'none' | 'clean' | 'unclean' | 'killed'

export interface SessionLock {
  readonly lastHolder: LastHolder
  /** @param clean everything that was appended is durable */
  release(clean: boolean): void
}

/** A fixed size, so that a release overwrites in place and needs no room on a full disk. */
const LOCK_BYTES = 256
const NAME = /^lock\.(\d{1,15})$/

/** @throws SeqcastError E_STORE_HELD, with the holder's process id */
export function acquireLock(path: string): SessionLock {
  for (;;) {
    const last = highestGeneration(path)
    const holder = last === 0 ? undefined : readHolder(lockFile(path, last))
    if (holder?.state === 'held' && isAlive(holder)) throw held(path, holder.pid)
    if (!create(path, last + 1)) continue
    if (highestGeneration(path) !== last + 1) {
      rmSync(lockFile(path, last + 1), { force: true })
      continue
    }
    removeBelow(path, last + 1)
    return {
      lastHolder: last === 0 ? 'none' : lastHolderOf(holder),
      release: (clean) => overwrite(lockFile(path, last + 1), { ...myself(), state: clean ? 'clean' : 'unclean' }),
    }
  }
}

/** The process that holds the directory now, or undefined. */
export function holderPid(path: string): number | undefined {
  const last = highestGeneration(path)
  const holder = last === 0 ? undefined : readHolder(lockFile(path, last))
  return holder?.state === 'held' && isAlive(holder) ? holder.pid : undefined
}

function lastHolderOf(holder: Holder | undefined): LastHolder {
  return holder === undefined || holder.state === 'held' ? 'killed' : holder.state
}

function held(path: string, pid: number): SeqcastError {
  return new SeqcastError('E_STORE_HELD', `${path} is held by process ${pid}, which is alive`, {
    hint: 'stop that process, or give this one another directory',
    fields: { path, pid },
  })
}

const lockFile = (path: string, generation: number): string => join(path, `lock.${generation}`)

function generations(path: string): number[] {
  return readdirSync(path).flatMap((name) => {
    const found = NAME.exec(name)?.[1]
    return found === undefined ? [] : [Number(found)]
  })
}

function highestGeneration(path: string): number {
  return Math.max(0, ...generations(path))
}

function removeBelow(path: string, generation: number): void {
  for (const old of generations(path)) if (old < generation) rmSync(lockFile(path, old), { force: true })
}

/** A link appears with its content or not at all. @returns false where another process was faster */
function create(path: string, generation: number): boolean {
  const beside = join(path, `lock-of-${process.pid}`)
  overwrite(beside, { ...myself(), state: 'held' })
  try {
    linkSync(beside, lockFile(path, generation))
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(beside, { force: true })
  }
}

function overwrite(file: string, holder: Holder): void {
  const fd = openSync(file, 'a+')
  closeSync(fd)
  const inPlace = openSync(file, 'r+')
  try {
    writeSync(inPlace, `${JSON.stringify(holder).padEnd(LOCK_BYTES - 1)}\n`, 0)
    fsyncSync(inPlace)
  } finally {
    closeSync(inPlace)
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isHolder(holder) ? holder : undefined
  } catch {
    return undefined // Gone, because a later holder came, or torn by a power failure: nobody alive wrote it.
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false
  if (!('pid' in value && 'startTime' in value && 'boot' in value && 'state' in value)) return false
  const { pid, startTime, boot, state } = value
  const fits = typeof pid === 'number' && typeof startTime === 'string' && typeof boot === 'string'
  return fits && (state === 'held' || state === 'clean' || state === 'unclean')
}

function myself(): Omit<Holder, 'state'> {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', boot: bootId() }
}

function isAlive(holder: Holder): boolean {
  if (holder.boot !== bootId()) return false
  if (holder.startTime !== '') return startTimeOf(holder.pid) === holder.startTime
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return systemCodeOf(error) === 'EPERM'
  }
}

/** Ticks since boot at which a process began; undefined where it is gone, or dead and not yet reaped. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined // No such process, or no /proc: then `kill 0` decides.
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
