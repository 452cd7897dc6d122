/** The benchmarks measure JavaScript over node's own sockets: a run that has loaded a native add-on is no measurement. */

/** @throws Error naming the add-ons that this process has loaded */
export function assertNativeFree(): void {
  const report: unknown = process.report.getReport()
  if (typeof report !== 'object' || report === null || !('sharedObjects' in report))
    throw new Error('no process report')
  const shared = Array.isArray(report.sharedObjects) ? report.sharedObjects : []
  const addons = shared.filter((path) => String(path).endsWith('.node'))
  if (addons.length > 0) throw new Error(`native add-ons were loaded: ${addons.join(', ')}`)
}
