/** What a command is, as data: its arguments, options and help. */

/** One option of a command. */
export interface OptionSpec {
  /**
   * `flag` is true or false; `texts` can be given several times, or as a list with commas; `values` is `name=value`, and can be given several times
   * (a name alone is NULL).
   */
  readonly kind: 'flag' | 'text' | 'texts' | 'values' | 'number'
  readonly summary: string
  readonly short?: string
  /** What stands for the value in the help. @default the option's name */
  readonly value?: string
  readonly choices?: readonly string[]
  readonly default?: string | number
  /** The word after `--no-` turns it off: a flag that is on unless told. */
  readonly negatable?: boolean
}

/** One positional argument. */
export interface ArgumentSpec {
  readonly name: string
  readonly optional?: boolean
  readonly summary: string
}

/** One command, as data. */
export interface CommandSpec {
  readonly group: 'Start' | 'Author' | 'Run' | 'Look' | 'Help'
  /** For programs: no list of commands has it. */
  readonly hidden?: true
  readonly summary: string
  readonly details?: string
  readonly arguments?: readonly ArgumentSpec[]
  readonly options?: { readonly [name: string]: OptionSpec }
  readonly examples?: readonly string[]
}
