/** The shape of one entry of the error registry. */
export interface ErrorEntry<P> {
  /** `SLU` and four digits; what `sluice explain` takes. */
  readonly code: `SLU${number}`
  /** What happened, in a few words. */
  readonly title: string
  /** What happened and why, in full sentences. */
  readonly message: (params: P) => string
  /** What is still safe and what to do next. */
  readonly hint?: (params: P) => string
  /** Whether doing the same again may succeed. */
  readonly retry: 'transient' | 'terminal'
  /** The exit code of a command that ends with it. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 70
  /** More for `sluice explain` and the reference: causes, an example, the faults of the catalogue it answers. */
  readonly explanation?: string
}

/** Types an entry by the parameters of its texts. */
export function entry<P extends Record<string, unknown>>(value: ErrorEntry<P>): ErrorEntry<P> {
  return value
}
