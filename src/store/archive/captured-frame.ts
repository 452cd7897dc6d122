/** What the readers of capture files share: a frame with its time and its place, and how a kind of file is cut into parts. */

/** What libpcap takes for the longest frame that can be. */
export const MAX_FRAME_BYTES = 262_144

/** Stands for the link of what is no frame, and may have been one before the file was damaged. */
export const LINK_UNKNOWN_BLOCK = -1

export interface CapturedFrame {
  /** The kind of link, by the numbers of tcpdump.org; or LINK_UNKNOWN_BLOCK. */
  readonly link: number
  /** Valid during the call only. */
  readonly bytes: Uint8Array
  /** When it was captured: microseconds since the epoch, and the nanoseconds beyond, 0 to 999. */
  readonly timeUs: number
  readonly timeNs: number
  /** Where it begins in the file. */
  readonly offsetBytes: number
}

export type FrameListener = (frame: CapturedFrame) => void

export interface CaptureLayout {
  /**
   * Reads the part that begins at `at`, and hands on the frame that is in it, if there is one.
   * @returns how long the part is; 0 where it is not all there yet; or what is wrong with it
   */
  next(view: DataView, at: number, offsetBytes: number, listener: FrameListener): number | string
}
