/**
 * Histograms as files: `.hgrm`, the table of percentiles that the usual plotters read, in microseconds, and `.hlog`, the
 * compressed log that keeps every bucket, in nanoseconds.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Histogram, HistogramLogWriter } from 'hdr-histogram-js'

const TICKS_PER_HALF = 5
const NS_PER_US = 1000

/** Writes `NAME.hgrm` and `NAME.hlog` for each histogram into a directory that is there. Does nothing without one. */
export async function writeHistograms(
  directory: string | undefined,
  histograms: Readonly<Record<string, Histogram>>,
): Promise<void> {
  if (directory === undefined) return
  for (const [name, histogram] of Object.entries(histograms)) {
    const table = histogram.outputPercentileDistribution(TICKS_PER_HALF, NS_PER_US)
    await writeFile(join(directory, `${name}.hgrm`), table)
    await writeFile(join(directory, `${name}.hlog`), logOf(histogram))
  }
}

function logOf(histogram: Histogram): string {
  let text = ''
  const writer = new HistogramLogWriter((line) => {
    text += line
  })
  const endMs = Date.now()
  writer.outputLogFormatVersion()
  writer.outputStartTime(endMs)
  writer.outputLegend()
  histogram.startTimeStampMsec = endMs
  histogram.endTimeStampMsec = endMs
  writer.outputIntervalHistogram(histogram, 0, 0)
  return text
}
