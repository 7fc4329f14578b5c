/** The command line, read by the command table: `node:util` splits it, this checks it and fills in defaults. */
import { parseArgs } from 'node:util'
import { type ErrorName, sluiceError } from '../base/errors.ts'
import { suggest } from '../definition/problems/suggest.ts'
import type { CommandName, CommandSpec, GlobalOptions, OptionSpec } from './command.ts'
import { commandTable, globalOptions } from './command-table.ts'

/** What a command line means. */
export type Parsed =
  | { readonly kind: 'version' }
  | { readonly kind: 'help'; readonly command?: CommandName }
  | {
      readonly kind: 'command'
      readonly command: CommandName
      readonly globals: GlobalOptions
      readonly input: { readonly [name: string]: unknown }
    }

type Specs = { readonly [name: string]: OptionSpec }
type Given = { readonly [name: string]: string | null }
type Values = { [name: string]: string | boolean | number | string[] | Given | undefined }

/**
 * Reads the arguments after `sluice`.
 *
 * @example parseCommandLine(['run', '-s', 'stage.sales,fact_sales', '-C', 'shop'])
 * @throws Cli.UnknownCommand, Cli.UnknownOption, Cli.BadValue, Cli.MissingArgument, Cli.TooManyArguments
 */
export function parseCommandLine(argv: readonly string[]): Parsed {
  const place = commandPlace(argv)
  const word = place === undefined ? undefined : argv[place]
  if (word === undefined) {
    const { values } = readOptions(argv, globalOptions, '')
    return values['version'] === true ? { kind: 'version' } : { kind: 'help' }
  }
  const rest = argv.toSpliced(place as number, 1)
  if (word === 'help') {
    const command = rest.find((argument) => !argument.startsWith('-'))
    return command === undefined ? { kind: 'help' } : { kind: 'help', command: commandName(command) }
  }
  const command = commandName(word)
  const spec: CommandSpec = commandTable[command]
  // Help comes first, whatever else is wrong with the line.
  if (beforeDashes(rest).some((argument) => argument === '--help' || argument === '-h'))
    return { kind: 'help', command }
  const { values, positionals } = readOptions(rest, { ...globalOptions, ...spec.options }, command)
  if (values['version'] === true) return { kind: 'version' }
  const input: Values = { ...readArguments(positionals, spec, command) }
  for (const name of Object.keys(spec.options ?? {})) input[name] = values[name]
  return { kind: 'command', command, globals: values as unknown as GlobalOptions, input }
}

/** Where the command stands: the first word that is neither an option nor an option's value. */
function commandPlace(argv: readonly string[]): number | undefined {
  const { tokens } = parseArgs({ args: [...argv], options: nodeOptions(globalOptions), strict: false, tokens: true })
  return tokens.find((token) => token.kind === 'positional')?.index
}

function commandName(word: string): CommandName {
  if (Object.hasOwn(commandTable, word)) return word as CommandName
  throw usageError('Cli.UnknownCommand', { command: word }, word, Object.keys(commandTable))
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}

function nodeOptions(specs: Specs): NonNullable<Parameters<typeof parseArgs>[0]>['options'] {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [
      name,
      {
        type: spec.kind === 'flag' ? 'boolean' : 'string',
        ...(spec.short === undefined ? {} : { short: spec.short }),
      } as const,
    ]),
  )
}

function readOptions(
  argv: readonly string[],
  specs: Specs,
  command: string,
): { values: Values; positionals: string[] } {
  const values: Values = {}
  for (const [name, spec] of Object.entries(specs)) {
    values[name] = initialValue(spec)
  }
  const positionals: string[] = []
  const { tokens } = parseArgs({ args: [...argv], options: nodeOptions(specs), strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const off = token.name.startsWith('no-') ? token.name.slice(3) : undefined
    if (off !== undefined && Object.hasOwn(specs, off) && specs[off]!.negatable === true) {
      values[off] = false
      continue
    }
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) throw unknownOption(token.rawName, specs, command)
    values[token.name] = readValue(token, spec, values[token.name])
  }
  return { values, positionals }
}

function initialValue(spec: OptionSpec): Values[string] {
  if (spec.kind === 'flag') return spec.negatable === true
  if (spec.kind === 'texts') return []
  return spec.kind === 'values' ? {} : spec.default
}

function readValue(
  token: { readonly rawName: string; readonly value?: string | undefined; readonly inlineValue?: boolean | undefined },
  spec: OptionSpec,
  before: Values[string],
): Values[string] {
  const { rawName: option, value } = token
  if (spec.kind === 'flag') {
    if (value === undefined) return true
    throw sluiceError('Cli.BadValue', { option, value, expected: 'it takes no value' })
  }
  if (value === undefined || (token.inlineValue !== true && value.startsWith('--'))) {
    throw sluiceError('Cli.BadValue', { option, value: value ?? '', expected: 'it needs a value' })
  }
  if (spec.kind === 'texts') return [...(before as string[]), ...value.split(',').filter((part) => part !== '')]
  if (spec.kind === 'values') {
    const [, name = '', text] = /^([^=]*)(?:=(.*))?$/s.exec(value) ?? []
    if (name === '') throw sluiceError('Cli.BadValue', { option, value, expected: 'it is written name=value' })
    return { ...(before as Given), [name]: text ?? null }
  }
  if (spec.kind === 'number') {
    if (!/^[1-9]\d{0,14}$/.test(value)) {
      throw sluiceError('Cli.BadValue', { option, value, expected: 'a whole number above 0' })
    }
    return Number(value)
  }
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const params = { option, value, expected: `one of ${spec.choices.join(', ')}` }
    throw usageError('Cli.BadValue', params, value, spec.choices)
  }
  return value
}

function readArguments(positionals: readonly string[], spec: CommandSpec, command: string): Values {
  const specs = spec.arguments ?? []
  const extra = positionals[specs.length]
  if (extra !== undefined) throw sluiceError('Cli.TooManyArguments', { argument: extra, command })
  return Object.fromEntries(
    specs.map(({ name, optional }, i) => {
      if (positionals[i] === undefined && optional !== true) {
        throw sluiceError('Cli.MissingArgument', { argument: name, command })
      }
      return [name, positionals[i]]
    }),
  )
}

function unknownOption(option: string, specs: Specs, command: string): Error {
  const known = Object.entries(specs).map(([name, spec]) => (spec.negatable === true ? `--no-${name}` : `--${name}`))
  return usageError('Cli.UnknownOption', { option, command }, option, known)
}

function usageError<N extends ErrorName>(
  name: N,
  params: Parameters<typeof sluiceError<N>>[1],
  word: string,
  known: readonly string[],
): Error {
  const suggestion = suggest(word, known)
  return sluiceError(name, params, suggestion === undefined ? {} : { suggestion })
}
