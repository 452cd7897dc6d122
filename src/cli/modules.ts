/** Modules of users: found, loaded, and asked for what they export. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, SeqcastError } from '../core/errors.js'

/**
 * What a module exports under `name`, or what its `configure` returns for the options (NAME=VALUE).
 * @throws SeqcastError E_MODULE, E_USAGE
 */
export async function loadExport(path: string, options: readonly string[], name: string): Promise<unknown> {
  const file = resolve(path)
  if (!existsSync(file)) {
    throw new SeqcastError('E_MODULE', `module ${path} does not exist`, { hint: moduleHint(path, name) })
  }
  if (/\.[cm]?tsx?$/.test(path)) {
    throw new SeqcastError('E_MODULE', `module ${path} is TypeScript, which has to be compiled first`, {
      hint: moduleHint(path, name),
    })
  }
  const module = await importModule(file, path, name)
  return typeof module.configure === 'function' ? await module.configure(parseOptions(options)) : module[name]
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
