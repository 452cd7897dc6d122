/**
 * The notifier: tells the customer what became of a shipment, once it can't be taken back. It appends a line to a file, where a real
 * one would write an e-mail. A line may come twice (whoever dies after it has written and before that is known), always
 * under the same key: the reader drops the repeat. That holds over the end of a session, too: what was owed is owed in the next one,
 * under the key that it had.
 *
 * Option: `output`, the path of the file; without it lines go to standard output.
 */
import { appendFileSync } from 'node:fs'
import { type Component, defineComponent, SeqcastError } from 'seqcast'
import { schema } from './generated/sms.js'

export function createNotifier(tell: (line: string) => void): Component {
  return defineComponent({
    name: 'notifier',
    schema,
    state: () => ({}),
    on: {},
    effects: {
      ShipmentDelivered: {
        after: 'stable',
        run: ({ key, payload }) => tell(`${key} ${payload.shipment} delivered`),
      },
      ShipmentRejected: {
        after: 'stable',
        run: ({ key, payload }) => tell(`${key} ${payload.shipment} rejected: ${payload.reason}`),
      },
    },
  })
}

/** What `seqcast run` calls with its `--option NAME=VALUE`. @throws SeqcastError E_USAGE */
export function configure(options: Readonly<Record<string, string>>): Component {
  for (const name of Object.keys(options)) {
    if (name !== 'output')
      throw new SeqcastError('E_USAGE', `the notifier has no option '${name}'`, { hint: 'it has output' })
  }
  const { output } = options
  return createNotifier((line) => {
    if (output === undefined) console.log(line)
    else appendFileSync(output, `${line}\n`)
  })
}

export const component = configure({})
