/** Decodes the runtime's own events and hands each to the method of its type. */
import type { Codec } from '../wire/protobuf.js'
import {
  ACTIVATED,
  type Activated,
  activatedCodec,
  DIGEST_REQUESTED,
  type DigestRequested,
  digestRequestedCodec,
  EFFECT_DONE,
  EFFECT_OWED,
  type EffectDone,
  type EffectOwed,
  effectDoneCodec,
  effectOwedCodec,
  PASSIVATED,
  type Passivated,
  passivatedCodec,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  type SeedDone,
  type SessionEnded,
  type SessionOpened,
  type SessionStarted,
  SOURCE_REGISTERED,
  type SourceRegistered,
  seedDoneCodec,
  sessionEndedCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'

export interface RuntimeEventVisitor {
  sessionStarted(event: SessionStarted): void
  sourceRegistered(event: SourceRegistered): void
  activated(event: Activated): void
  passivated(event: Passivated): void
  effectDone(event: EffectDone): void
  digestRequested(event: DigestRequested): void
  sessionEnded(event: SessionEnded): void
  sessionOpened(event: SessionOpened): void
  seedDone(event: SeedDone): void
  effectOwed(event: EffectOwed): void
}

/** @returns false where the payload is not what the type says; types without a method are passed over */
export function readRuntimeEvent(type: number, payload: Uint8Array, visitor: RuntimeEventVisitor): boolean {
  switch (type) {
    case SESSION_STARTED:
      return visit(sessionStartedCodec, payload, (event) => visitor.sessionStarted(event))
    case SOURCE_REGISTERED:
      return visit(sourceRegisteredCodec, payload, (event) => visitor.sourceRegistered(event))
    case ACTIVATED:
      return visit(activatedCodec, payload, (event) => visitor.activated(event))
    case PASSIVATED:
      return visit(passivatedCodec, payload, (event) => visitor.passivated(event))
    case EFFECT_DONE:
      return visit(effectDoneCodec, payload, (event) => visitor.effectDone(event))
    case DIGEST_REQUESTED:
      return visit(digestRequestedCodec, payload, (event) => visitor.digestRequested(event))
    case SESSION_ENDED:
      return visit(sessionEndedCodec, payload, (event) => visitor.sessionEnded(event))
    case SESSION_OPENED:
      return visit(sessionOpenedCodec, payload, (event) => visitor.sessionOpened(event))
    case SEED_DONE:
      return visit(seedDoneCodec, payload, (event) => visitor.seedDone(event))
    case EFFECT_OWED:
      return visit(effectOwedCodec, payload, (event) => visitor.effectOwed(event))
    default:
      return true
  }
}

function visit<T extends object>(codec: Codec<T>, payload: Uint8Array, take: (event: T) => void): boolean {
  const event = codec.decode(payload)
  if (event === undefined) return false
  take(event)
  return true
}
