/** A schema that uses everything a .proto file may hold, for the tests of loader, codecs and generator. */
import { join } from 'node:path'
import { loadProtoFile } from '../../src/component/proto-file.js'
import { defineSchema, type UntypedSchema } from '../../src/component/schema.js'

export const SAMPLE_PROTO = `// Everything a schema may hold.
syntax = "proto3";

package sample.v1;

import "seqcast/options.proto";

// Which way an order goes.
enum Side {
  BUY = 0;
  SELL = 1;
  SHORT = 7;
}

// An order
// that waits.
message OrderPending {
  option (seqcast.type) = 256;
  uint64 order_id = 1; // the client's
  string symbol = 2;
  Side side = 3;
  double price = 4;
  bool immediate = 5;
  bytes tag = 6;
  optional string note = 7;
  optional uint32 shown = 8;
  repeated sint32 deltas = 9;
  repeated string names = 10;
  repeated Side sides = 11;
  map<string, Leg> legs = 12;
  map<uint64, string> by_number = 13;
  Leg main_leg = 14;
  repeated Leg more = 15;
  oneof outcome {
    int64 filled = 16;
    string refusal = 17;
  }
  repeated fixed32 loose = 18 [packed = false];
  float ratio = 19;
  sint64 net = 20;
  sfixed64 exact = 21;

  message Leg {
    uint32 shares = 1;
    Side side = 2;
    Leg next = 3;
  }
}

message Quote {
  option (seqcast.type) = 0xFFFF;
  option (seqcast.fixed) = true;
  uint64 id = 1;
  string symbol = 2 [(seqcast.length) = 8];
  Side side = 3;
  int32 move = 4;
  sint64 net = 5;
  double price = 6;
  float ratio = 7;
  bool firm = 8;
  bytes mark = 9 [(seqcast.length) = 3];
  fixed32 shares = 10;
}

message Nothing {
  option (seqcast.type) = 300;
}
`

export interface Files {
  testdir(files: Record<string, string>): string
}

export async function sampleSchema(t: Files): Promise<UntypedSchema> {
  const directory = t.testdir({ 'sample.proto': SAMPLE_PROTO })
  return defineSchema((await loadProtoFile(join(directory, 'sample.proto'))).descriptor)
}

/** A payload of OrderPending with nothing but defaults. */
export const EMPTY_ORDER = {
  orderId: 0,
  symbol: '',
  side: 'BUY',
  price: 0,
  immediate: false,
  tag: new Uint8Array(0),
  note: undefined,
  shown: undefined,
  deltas: [],
  names: [],
  sides: [],
  legs: new Map(),
  byNumber: new Map(),
  mainLeg: undefined,
  more: [],
  filled: undefined,
  refusal: undefined,
  loose: [],
  ratio: 0,
  net: 0,
  exact: 0,
}
