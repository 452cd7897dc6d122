// Made by `seqcast generate sms.proto`: change sms.proto, not this file.

import { defineSchema, type Schema } from 'seqcast'

export type Status = 'EXPECTED' | 'ACCEPTED' | 'IN_TRANSIT' | 'OUT_FOR_DELIVERY'

export interface FacilityAdded {
  code: string
  city: string
}

/** A way that is driven, in one direction. */
export interface RouteAdded {
  from: string
  to: string
  minutes: number
}

export interface ShipmentExpected {
  key: number
  shipment: string
  from: string
  to: string
}

export interface ShipmentArrived {
  key: number
  shipment: string
  facility: string
  damaged: boolean
}

/** The courier has left it with whoever it is for. */
export interface ShipmentHandedOver {
  key: number
  shipment: string
}

export interface ShipmentAccepted {
  key: number
  shipment: string
  facility: string
  /** where it shall be delivered */
  to: string
}

/** The end of its way: it is damaged, or one of its facilities is unknown, or no route leads there. */
export interface ShipmentRejected {
  key: number
  shipment: string
  reason: string
}

/** The end of its way. */
export interface ShipmentDelivered {
  key: number
  shipment: string
  facility: string
}

/** The scan does not fit what is known; the shipment stays what it is. */
export interface ScanRefused {
  key: number
  shipment: string
  reason: string
}

/** It is on its way for twice as long as that takes. */
export interface ShipmentLate {
  shipment: string
  from: string
  to: string
}

export interface ShipmentInTransit {
  /** of the arrival before it */
  key: number
  shipment: string
  from: string
  /** the next facility */
  to: string
  minutes: number
}

export interface ShipmentOutForDelivery {
  key: number
  shipment: string
  facility: string
}

export interface RouteMissing {
  key: number
  shipment: string
  facility: string
  to: string
}

/** A shipment that had not come to its end, as the session before left it. */
export interface ShipmentCarried {
  shipment: string
  from: string
  to: string
  status: Status
  /** the facility where it was scanned last; '' for none */
  at: string
  /** so far */
  scans: number
  /** in transit: the next facility */
  next: string
  /** in transit: when it will be late; 0 for never */
  lateUs: number
}

/** Scans up to this key were handled in the sessions before. */
export interface ScansCarried {
  key: number
}

/** The events of sms.proto: the payload of each by its name. */
export interface SmsMessages {
  FacilityAdded: FacilityAdded
  RouteAdded: RouteAdded
  ShipmentExpected: ShipmentExpected
  ShipmentArrived: ShipmentArrived
  ShipmentHandedOver: ShipmentHandedOver
  ShipmentAccepted: ShipmentAccepted
  ShipmentRejected: ShipmentRejected
  ShipmentDelivered: ShipmentDelivered
  ScanRefused: ScanRefused
  ShipmentLate: ShipmentLate
  ShipmentInTransit: ShipmentInTransit
  ShipmentOutForDelivery: ShipmentOutForDelivery
  RouteMissing: RouteMissing
  ShipmentCarried: ShipmentCarried
  ScansCarried: ScansCarried
}

export const schema: Schema<SmsMessages> = defineSchema<SmsMessages>({
  package: 'sms',
  messages: {
    FacilityAdded: { type: 256, fields: { code: { id: 1, type: 'string' }, city: { id: 2, type: 'string' } } },
    RouteAdded: {
      type: 257,
      fields: {
        from: { id: 1, type: 'string' },
        to: { id: 2, type: 'string' },
        minutes: { id: 3, type: 'uint32' },
      },
    },
    ShipmentExpected: {
      type: 260,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        from: { id: 3, type: 'string' },
        to: { id: 4, type: 'string' },
      },
    },
    ShipmentArrived: {
      type: 261,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        facility: { id: 3, type: 'string' },
        damaged: { id: 4, type: 'bool' },
      },
    },
    ShipmentHandedOver: { type: 262, fields: { key: { id: 1, type: 'uint64' }, shipment: { id: 2, type: 'string' } } },
    ShipmentAccepted: {
      type: 270,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        facility: { id: 3, type: 'string' },
        to: { id: 4, type: 'string' },
      },
    },
    ShipmentRejected: {
      type: 271,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        reason: { id: 3, type: 'string' },
      },
    },
    ShipmentDelivered: {
      type: 272,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        facility: { id: 3, type: 'string' },
      },
    },
    ScanRefused: {
      type: 273,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        reason: { id: 3, type: 'string' },
      },
    },
    ShipmentLate: {
      type: 274,
      fields: {
        shipment: { id: 1, type: 'string' },
        from: { id: 2, type: 'string' },
        to: { id: 3, type: 'string' },
      },
    },
    ShipmentInTransit: {
      type: 280,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        from: { id: 3, type: 'string' },
        to: { id: 4, type: 'string' },
        minutes: { id: 5, type: 'uint32' },
      },
    },
    ShipmentOutForDelivery: {
      type: 281,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        facility: { id: 3, type: 'string' },
      },
    },
    RouteMissing: {
      type: 282,
      fields: {
        key: { id: 1, type: 'uint64' },
        shipment: { id: 2, type: 'string' },
        facility: { id: 3, type: 'string' },
        to: { id: 4, type: 'string' },
      },
    },
    ShipmentCarried: {
      type: 290,
      fields: {
        shipment: { id: 1, type: 'string' },
        from: { id: 2, type: 'string' },
        to: { id: 3, type: 'string' },
        status: { id: 4, type: 'Status' },
        at: { id: 5, type: 'string' },
        scans: { id: 6, type: 'uint32' },
        next: { id: 7, type: 'string' },
        lateUs: { id: 8, type: 'uint64' },
      },
    },
    ScansCarried: { type: 291, fields: { key: { id: 1, type: 'uint64' } } },
  },
  enums: { Status: { EXPECTED: 0, ACCEPTED: 1, IN_TRANSIT: 2, OUT_FOR_DELIVERY: 3 } },
})
