/** Help, made from the command table. */
import type { ArgumentSpec, CommandName, CommandSpec, OptionSpec } from './command.ts'
import { commandTable, globalOptions } from './command-table.ts'

/**
 * The help of `sluice`, or of one command.
 *
 * @example helpText('run')
 */
export function helpText(command?: CommandName): string {
  return command === undefined ? overview() : commandHelp(command, commandTable[command])
}

function overview(): string {
  const lines = [
    'Sluice: files become warehouse tables, with every row accounted for.',
    '',
    'Usage: sluice <command> [options]',
  ]
  const commands = Object.entries<CommandSpec>(commandTable).filter(([, { hidden }]) => hidden !== true)
  for (const group of [...new Set(commands.map(([, spec]) => spec.group))]) {
    lines.push('', `${group}:`)
    const rows = commands.filter(([, spec]) => spec.group === group)
    lines.push(
      ...twoColumns(
        rows.map(([name, spec]) => [name, spec.summary]),
        14,
      ),
    )
  }
  lines.push('', 'Everywhere:', ...optionLines(globalOptions, 26))
  lines.push(
    '',
    'Exit codes: 0 done, 1 something failed, 2 wrong usage or definition, 3 the system or a service refused, 4 there are',
  )
  lines.push('differences (plan --exit-code), 5 busy, 70 a bug of Sluice, 130 interrupted, 143 terminated.', '')
  lines.push('More: sluice <command> --help', '')
  return lines.join('\n')
}

function commandHelp(name: string, spec: CommandSpec): string {
  const lines = [`${capital(spec.summary)}.`, '', `Usage: ${usage(name, spec)}`]
  if (spec.details !== undefined) lines.push('', spec.details)
  if (spec.arguments !== undefined) {
    lines.push(
      '',
      'Arguments:',
      ...twoColumns(
        spec.arguments.map((a) => [argumentText(a), a.summary]),
        26,
      ),
    )
  }
  if (spec.options !== undefined) lines.push('', 'Options:', ...optionLines(spec.options, 26))
  if (spec.examples !== undefined) lines.push('', 'Examples:', ...spec.examples.map((example) => `  ${example}`))
  return `${lines.join('\n')}\n\nOptions of every command: sluice --help\n`
}

/** @example usage('show', commandTable.show) // 'sluice show <table> [options]' */
export function usage(name: string, spec: CommandSpec): string {
  const parts = ['sluice', name, ...(spec.arguments ?? []).map(argumentText)]
  return [...parts, ...(spec.options === undefined ? [] : ['[options]'])].join(' ')
}

/** @example argumentText({ name: 'dir', optional: true, summary: '' }) // '[dir]' */
export function argumentText(argument: ArgumentSpec): string {
  return argument.optional === true ? `[${argument.name}]` : `<${argument.name}>`
}

/** An option as it is typed. @example optionText('limit', { kind: 'number', value: 'n', summary: '' }) // '    --limit <n>' */
export function optionText(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '    ' : `-${spec.short}, `
  const value = spec.kind === 'flag' ? '' : ` <${spec.value ?? name}>`
  return `${short}--${spec.negatable === true ? 'no-' : ''}${name}${value}`
}

/** An option's summary with its choices and its default. */
export function optionSummary(spec: OptionSpec): string {
  const choices = spec.choices === undefined ? '' : ` (${spec.choices.join(', ')})`
  const preset = spec.default === undefined || spec.default === '.' ? '' : `; default: ${spec.default}`
  return `${spec.summary}${choices}${preset}`
}

function optionLines(options: { readonly [name: string]: OptionSpec }, column: number): string[] {
  return twoColumns(
    Object.entries(options).map(([name, spec]) => [optionText(name, spec), optionSummary(spec)]),
    column,
  )
}

function twoColumns(rows: readonly (readonly [string, string])[], column: number): string[] {
  return rows.map(([left, right]) => `  ${left.padEnd(column)}  ${right}`)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
