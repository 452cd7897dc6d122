/** `seqcast generate`: the typed module of a schema. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { messageOf, SeqcastError } from '../core/errors.js'

export const generateCommand = new Command('generate')
  .description('make the typed module of a .proto file: interfaces, codecs, type numbers')
  .argument('<file.proto>', 'schema in proto3; each event has `option (seqcast.type) = NUMBER;`')
  .option('--out <file>', 'write it there (default: stdout)')
  .action(async (path: string, flags: { out?: string }) => {
    const { generateModule } = await import('../component/generate.js')
    const text = await generateModule(path)
    if (flags.out === undefined) process.stdout.write(text)
    else {
      write(flags.out, text)
      process.stderr.write(`wrote ${flags.out}\n`)
    }
  })

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  } catch (error) {
    throw new SeqcastError('E_FILE', `${path} can't be written: ${messageOf(error)}`, {
      hint: 'check the path and its permissions',
      fields: { path },
      cause: error,
    })
  }
}
