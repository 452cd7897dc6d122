/**
 * Parts of a state that are not compared: paths as `stats.count` and `orders.*.note`, where `*` stands for any one key, name or index.
 */
export class IgnoredPaths {
  /** All below here is ignored. */
  readonly isWhole: boolean
  readonly #named = new Map<string, IgnoredPaths>()
  readonly #any: IgnoredPaths | undefined

  constructor(paths: readonly (readonly string[])[]) {
    this.isWhole = paths.some((path) => path.length === 0)
    const rest = (matches: (head: string) => boolean): (readonly string[])[] =>
      paths.filter(([head]) => head !== undefined && matches(head)).map((path) => path.slice(1))
    const any = rest((head) => head === '*')
    this.#any = any.length === 0 ? undefined : new IgnoredPaths(any)
    for (const [head] of paths) {
      if (head !== undefined && head !== '*') {
        this.#named.set(head, new IgnoredPaths(rest((other) => other === head || other === '*')))
      }
    }
  }

  /** @param paths as a user writes them. @returns undefined where nothing is ignored */
  static of(paths: readonly string[]): IgnoredPaths | undefined {
    if (paths.length === 0) return undefined
    return new IgnoredPaths(paths.map(stepsOf))
  }

  /** What is ignored below a key, a name or an index; undefined: nothing. */
  below(key: unknown): IgnoredPaths | undefined {
    return this.#named.get(String(key)) ?? this.#any
  }
}

/** `orders[42].shares` and `orders.42.shares` are the same. */
function stepsOf(path: string): string[] {
  return path
    .replace(/\[("?)([^\]"]*)\1\]/g, '.$2')
    .split('.')
    .filter((step) => step !== '')
}
