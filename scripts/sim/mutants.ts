/**
 * The negative tests of the simulation: what an implementer gets wrong, as changes of the compiled text. Each is applied to a copy;
 * the code under test knows nothing of it. Every `find` is there exactly once, which a test checks.
 */

export interface Patch {
  /** Below dist/src. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  /** What is wrong in it. */
  readonly what: string
  readonly patches: readonly Patch[]
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'fence-off',
    what: 'a voter goes on to acknowledge under an older reign than it has promised',
    patches: [
      {
        file: 'protocol/voter.js',
        find: "this.#state === 'voting' && epoch === this.#stored.epoch && epoch === this.#wanted.epoch;",
        replace: "this.#state === 'voting';",
      },
    ],
  },
  {
    name: 'counting-copies',
    what: 'older events become stable by the number of their copies, without the opening event',
    patches: [
      {
        file: 'protocol/stability.js',
        find: 'if (atMajority >= this.#openingSequence && atMajority > this.#stable)',
        replace: 'if (atMajority > this.#stable)',
      },
    ],
  },
  {
    name: 'acknowledge-before-sync',
    what: 'a voter acknowledges what it has taken, before the disk has it',
    patches: [
      {
        file: 'protocol/voter.js',
        find: 'epoch: this.reign,\n            durableSequence: this.#log.durableSequence,',
        replace: 'epoch: this.reign,\n            durableSequence: this.#log.nextSequence - 1,',
      },
    ],
  },
  {
    name: 'acknowledgements-across-reigns',
    what: 'the sequencer counts acknowledgements that name another reign',
    patches: [
      {
        file: 'protocol/stability.js',
        find: 'if (epoch !== this.#epoch || epoch === 0)',
        replace: 'if (epoch === 0)',
      },
    ],
  },
  {
    name: 'duplicates-before-epochs',
    what: 'what waits for its turn makes a later packet of the same numbers a repeat, whatever branch it is of',
    patches: [
      {
        file: 'protocol/receiver.js',
        find: "if (verdict === 'successor')\n            this.#discardFrom(this.#line.next);",
        replace: '',
      },
    ],
  },
  {
    name: 'empty-voter-grants',
    what: 'a voter that has lost its data grants, and its grant counts',
    patches: [
      {
        file: 'protocol/voter.js',
        find: 'if (this.hasLostData)\n            this.#refuse(',
        replace: 'if (false)\n            this.#refuse(',
      },
      {
        file: 'protocol/voter.js',
        find: "epoch === this.#wanted.epoch && this.#state !== 'recovering'",
        replace: 'epoch === this.#wanted.epoch',
      },
      {
        file: 'protocol/ballot.js',
        find: '.filter(({ grant }) => this.#lives.isCurrent(grant.voter, grant.life))',
        replace: '',
      },
    ],
  },
  {
    name: 'outbox-released-at-publication',
    what: 'a command is let go as soon as it comes back as an event, stable or not',
    patches: [
      {
        file: 'protocol/outbox.js',
        find: "this.#ring.returned(sequence);\n        return 'expected';",
        replace: "this.#ring.returned(sequence);\n        this.onStable(sequence);\n        return 'expected';",
      },
    ],
  },
  {
    name: 'commands-renumbered',
    what: 'a sender that begins again after a revocation numbers what it still holds anew, under a new source',
    patches: [
      {
        file: 'runtime/send-client.js',
        find: 'send(type, payload) {\n',
        replace: 'send(type, payload) {\n        this.copies = [...(this.copies ?? []), [type, payload.slice()]];\n',
      },
      {
        file: 'runtime/send-client.js',
        find: 'return this.#outbox?.commands ?? 0;',
        replace: 'return this.#outbox?.commands ?? this.copies?.length ?? 0;',
      },
      {
        file: 'runtime/send-client.js',
        find: 'if (this.#registeredSequence >= from) {\n',
        replace:
          'if (outbox !== undefined) {\n' +
          '            this.copies = outbox.commands === 0 ? [] : this.copies.slice(-outbox.commands);\n' +
          '            this.#outbox = undefined;\n' +
          '            this.#nonce += 1;\n' +
          '            this.#register(this.#cycle.enter());\n' +
          '        }\n' +
          '        else if (this.#registeredSequence >= from) {\n',
      },
      {
        file: 'runtime/send-client.js',
        find: 'outbox.setEpoch(this.#epoch, nowUs);\n',
        replace:
          'for (const [type, payload] of this.copies ?? [])\n' +
          '            outbox.append(type, payload, nowUs);\n' +
          '        outbox.setEpoch(this.#epoch, nowUs);\n',
      },
    ],
  },
  {
    name: 'hole-skipped',
    what: 'what waits is handed on, whether what comes before it is there or not, and nobody looks',
    patches: [
      {
        file: 'protocol/delivery-line.js',
        find: 'while (buffer.size > 0 && buffer.sequenceAt(0) <= this.next) {',
        replace: 'while (buffer.size > 0) {',
      },
      {
        file: 'protocol/delivery-line.js',
        find: 'const first = this.next;',
        replace: 'const first = Math.max(this.next, sequence);',
      },
      {
        file: 'component/host.js',
        find: 'if (sequence !== this.#nextSequence) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    name: 'repeats-sequenced',
    what: 'the sequencer takes a command again that was sent again',
    patches: [
      {
        file: 'protocol/command-intake.js',
        find: "counters['repeated-commands'] += end - first;\n",
        replace: 'return this.#takeFrom(first, packet, nowUs, wallUs);\n',
      },
    ],
  },
  {
    name: 'time-goes-back',
    what: 'a new sequencer begins with its own clock, and not after the last event',
    patches: [
      {
        file: 'protocol/timestamper.js',
        find: 'this.timestamp.high = high;\n        this.timestamp.low = low;\n        this.#timeUs = timeUs;',
        replace: '',
      },
    ],
  },
  {
    name: 'effects-before-stability',
    what: 'an effect that waits for stability runs at once',
    patches: [
      {
        file: 'component/effects.js',
        find: ' || owed.sequence <= this.#stableSequence;',
        replace: ' || true;',
      },
    ],
  },
  {
    name: 'standby-speaks',
    what: 'a standby sends the commands that it computes',
    patches: [
      {
        file: 'component/role.js',
        find: "this.#lifecycle.transition('standby', 'caught up');",
        replace:
          "this.#lifecycle.transition('standby', 'caught up');\n            this.#parts.commands.connect(nowUs);",
      },
    ],
  },
  {
    name: 'successor-before-stability',
    what: 'the next session is opened before the end of the one before is stable',
    patches: [
      {
        file: 'runtime/sequencer-run.js',
        find: ' || machine.stableSequence < end.sequence)',
        replace: ')',
      },
    ],
  },
  {
    name: 'commands-not-carried',
    what: 'commands of handlers that were not sequenced when their session ended are forgotten',
    patches: [
      {
        file: 'component/carry.js',
        find: 'pending: [...left.pending, ...(hasSpoken ? commands.unsequenced() : [])],',
        replace: 'pending: left.pending,',
      },
    ],
  },
  {
    name: 'input-not-carried',
    what: 'a sender does not take into the next session what was not sequenced in the one before',
    patches: [
      {
        file: 'runtime/send-client.js',
        find: 'this.#isOutboxOld ? (this.#outbox?.unsequenced() ?? []) : []',
        replace: '[]',
      },
    ],
  },
  {
    name: 'effects-not-carried',
    what: 'effects that are owed when their session ends are forgotten',
    patches: [
      {
        file: 'component/carry.js',
        find: 'effects: [...left.effects, ...(hasSpoken ? effects.owed() : [])],',
        replace: 'effects: left.effects,',
      },
    ],
  },
]

/** @returns the patched text. @throws Error where a patch does not fit exactly once */
export function applyPatches(file: string, text: string, patches: readonly Patch[]): string {
  let patched = text
  for (const { find, replace } of patches) {
    const count = patched.split(find).length - 1
    if (count !== 1) throw new Error(`${file} has ${count} times, and not once:\n${find}`)
    patched = patched.replace(find, () => replace)
  }
  return patched
}
