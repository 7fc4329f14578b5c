/** What a command is: data (in `command-table.ts`) and a function (in `commands/`), joined by its name. */
import type { Readable } from 'node:stream'
import type { OpenProject } from '../run/api.ts'
import type { commandTable } from './command-table.ts'
import type { Terminal } from './terminal.ts'

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

/** The name of a command. */
export type CommandName = keyof typeof commandTable

type Spec<N extends CommandName> = (typeof commandTable)[N]

type ValueOf<O> = O extends { readonly kind: 'flag' }
  ? boolean
  : O extends { readonly kind: 'texts' }
    ? readonly string[]
    : O extends { readonly kind: 'values' }
      ? { readonly [name: string]: string | null }
      : O extends { readonly kind: 'number'; readonly default: number }
        ? number
        : O extends { readonly kind: 'number' }
          ? number | undefined
          : O extends { readonly choices: readonly (infer C)[]; readonly default: string }
            ? C
            : O extends { readonly choices: readonly (infer C)[] }
              ? C | undefined
              : O extends { readonly default: string }
                ? string
                : string | undefined

type OptionsOf<S> = S extends { readonly options: infer O } ? { readonly [K in keyof O]: ValueOf<O[K]> } : unknown

type ArgumentsOf<S> = S extends { readonly arguments: infer A extends readonly ArgumentSpec[] }
  ? { readonly [I in A[number] as I['name']]: I extends { readonly optional: true } ? string | undefined : string }
  : unknown

/** What a command's function is given of the command line: its arguments and options by name, checked and typed by the table. */
export type Input<N extends CommandName> = ArgumentsOf<Spec<N>> & OptionsOf<Spec<N>>

/** Options that every command has. */
export interface GlobalOptions {
  readonly folder: string
  readonly json: boolean
  readonly color: boolean
  readonly debug: boolean
  readonly quiet: boolean
  readonly input: boolean
  readonly yes: boolean
}

/** What a command works with, beside its input. */
export interface Context {
  readonly globals: GlobalOptions
  readonly terminal: Terminal
  /** The project's folder, absolute. */
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal
  /** Opens the project; the caller closes it. */
  open(): Promise<OpenProject>
  /** Asks a yes-or-no question; with `--yes` it is yes, and where nobody can answer it is an error that names the flag. */
  confirm(question: string): Promise<boolean>
}

/** A command's function: returns the exit code, or nothing for 0. */
export type Run<N extends CommandName> = (context: Context, input: Input<N>) => Promise<number | undefined>
