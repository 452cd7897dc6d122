/** A server of the peers as a child process: found on the PATH, on a port of its own, with its data in a folder that goes away. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where Debian puts servers, which is not on everybody's PATH. */
const MORE_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin']
const START_TRIES = 200
const RETRY_MS = 25

export class PeerServer {
  readonly port: number
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(port: number, process: ChildProcess, directory: string) {
    this.port = port
    this.#process = process
    this.#directory = directory
  }

  /** Starts a server and waits until it accepts connections. @returns undefined where the program is not on the machine */
  static async start(
    program: string,
    argumentsOf: (port: number, directory: string) => readonly string[],
  ): Promise<PeerServer | undefined> {
    const path = pathOf(program)
    if (path === undefined) return undefined
    const port = await freePort()
    const directory = await mkdtemp(join(tmpdir(), `${program}-`))
    const child = spawn(path, argumentsOf(port, directory), { stdio: 'ignore', cwd: directory })
    process.once('exit', () => child.kill('SIGKILL'))
    const server = new PeerServer(port, child, directory)
    for (let i = 0; i < START_TRIES && child.exitCode === null; i++) {
      if (await accepts(port)) return server
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    await server.stop()
    throw new Error(`${path} does not accept connections on port ${port}`)
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const gone = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()))
      this.#process.kill('SIGKILL')
      await gone
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function pathOf(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...MORE_FOLDERS]
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
