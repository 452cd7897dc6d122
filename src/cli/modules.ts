/** Modules of users: found, loaded, and asked for what they export. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, SeqcastError } from '../core/errors.js'

/** A module may get something first, from a machine that is busy. */
const LOAD_MS = 30_000

/**
 * What a module exports under `name`, or what its `configure` returns for the options (NAME=VALUE).
 * @throws SeqcastError E_MODULE, E_USAGE
 */
export async function loadExport(
  path: string,
  options: readonly string[],
  name: string,
  withinMs = LOAD_MS,
): Promise<unknown> {
  const file = resolve(path)
  if (!existsSync(file)) {
    throw new SeqcastError('E_MODULE', `module ${path} does not exist`, { hint: moduleHint(path, name) })
  }
  if (/\.[cm]?tsx?$/.test(path)) {
    throw new SeqcastError('E_MODULE', `module ${path} is TypeScript, which has to be compiled first`, {
      hint: moduleHint(path, name),
    })
  }
  const load = async (): Promise<unknown> => {
    const module = await importModule(file, path, name)
    return typeof module.configure === 'function' ? await module.configure(parseOptions(options)) : module[name]
  }
  return await inTime(load(), path, withinMs)
}

async function importModule(file: string, path: string, name: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    throw new SeqcastError('E_MODULE', `module ${path} can't be loaded: ${messageOf(error)}`, {
      hint: moduleHint(path, name),
      cause: error,
    })
  }
}

/** A module that awaits what never comes would end the process without a word. */
async function inTime(loading: Promise<unknown>, path: string, withinMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const hint = 'at its top level, or in `configure`, it awaits something: see what, and whether that can come'
      reject(new SeqcastError('E_MODULE', `module ${path} is not loaded after ${withinMs / 1_000} s`, { hint }))
    }, withinMs)
  })
  try {
    return await Promise.race([loading, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What to give instead: Node runs compiled modules. */
function moduleHint(path: string, name: string): string {
  const compiled = path.replace(/\.([cm]?)tsx?$/, '.$1js')
  const command = name === 'component' ? 'run' : 'project'
  if (compiled !== path) {
    return `npx tsc --module nodenext --target es2022 ${path}, then: seqcast ${command} ${compiled} (or where your tsconfig puts it)`
  }
  return `a module is a JavaScript file (.js or .mjs, an ES module) that exports \`${name}\`; TypeScript is compiled first: npx tsc`
}

function parseOptions(options: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    options.map((option) => {
      const at = option.indexOf('=')
      if (at > 0) return [option.slice(0, at), option.slice(at + 1)]
      throw new SeqcastError('E_USAGE', `--option ${option} is not NAME=VALUE`, {
        hint: 'for example --option input=orders.itch',
      })
    }),
  )
}
