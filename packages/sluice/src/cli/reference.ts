/** The pages docs/reference/cli.md and docs/reference/errors.md, made from the command table and the error registry. */
import { retiredErrors } from '../base/registry.ts'
import type { CommandSpec, OptionSpec } from './command.ts'
import { commandTable, globalOptions } from './command-table.ts'
import { retryText } from './commands/explain.ts'
import { errorPages, exitMeanings } from './error-pages.ts'
import { argumentText, optionSummary, optionText, usage } from './help.ts'

const made = '<!-- Made by `npm run reference`; change the code, not this page. -->'

/**
 * The reference of commands, as Markdown.
 *
 * @example writeFileSync('docs/reference/cli.md', cliReference())
 */
export function cliReference(): string {
  const commands = Object.entries<CommandSpec>(commandTable).filter(([, { hidden }]) => hidden !== true)
  const groups = [...new Set(commands.map(([, spec]) => spec.group))]
  return [
    made,
    '# Commands',
    'Data goes to stdout, everything else to stderr. On a terminal, lists are tables and a run is drawn while it happens; in a pipe, lists are one JSON object a line and a run is plain lines. With `--json`, output is JSON, a run is one event a line, and an error is `{"error":{…}}` on stderr.',
    '## Options of every command',
    optionTable(globalOptions),
    ...groups.flatMap((group) => [
      `## ${group}`,
      ...commands.filter(([, spec]) => spec.group === group).map(([name, spec]) => commandPage(name, spec)),
    ]),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.entries(exitMeanings).map(([code, meaning]) => [code, meaning]),
    ),
  ]
    .join('\n\n')
    .concat('\n')
}

function commandPage(name: string, spec: CommandSpec): string {
  const parts = [
    `### sluice ${name}`,
    `${capital(spec.summary)}.${spec.details === undefined ? '' : ` ${spec.details}`}`,
  ]
  parts.push(fence(usage(name, spec)))
  if (spec.arguments !== undefined) {
    parts.push(
      table(
        ['argument', 'what it is'],
        spec.arguments.map((argument) => [code(argumentText(argument)), argument.summary]),
      ),
    )
  }
  if (spec.options !== undefined) parts.push(optionTable(spec.options))
  if (spec.examples !== undefined) parts.push(fence(spec.examples.join('\n')))
  return parts.join('\n\n')
}

function optionTable(options: { readonly [name: string]: OptionSpec }): string {
  return table(
    ['option', 'what it does'],
    Object.entries(options).map(([name, spec]) => [code(optionText(name, spec).trim()), optionSummary(spec)]),
  )
}

/**
 * The reference of errors, as Markdown.
 *
 * @example writeFileSync('docs/reference/errors.md', errorReference())
 */
export function errorReference(): string {
  const pages = errorPages().map((page) => {
    const facts = [
      `- name: \`${page.name}\``,
      ...(page.message === undefined ? [] : [`- says: ${prose(page.message)}`]),
      ...(page.hint === undefined ? [] : [`- next: ${prose(page.hint)}`]),
      `- retry: ${retryText(page)}`,
      `- exit code: ${page.exit}, ${exitMeanings[page.exit]}`,
    ]
    const more = page.explanation === undefined ? '' : `\n\n${prose(page.explanation)}`
    return `## ${page.code}\n\n**${prose(page.title)}**\n\n${facts.join('\n')}${more}`
  })
  const intro =
    'Every error that Sluice can raise. Numbers and names are permanent: they are the same in messages, in events, in the ledger and in the `Retry` and `Catch` of a state machine. `sluice explain <number>` prints the same in a terminal.'
  const rows = Object.entries(retiredErrors).map(([number, { name, replacedBy }]) => [
    number,
    code(name),
    code(replacedBy),
  ])
  const retired = `Earlier versions raised these; their numbers and names stay theirs.\n\n${table(['number', 'name', 'now'], rows)}`
  return `${[made, '# Errors', intro, ...pages, '## Retired', retired].join('\n\n')}\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

const fence = (text: string): string => `\`\`\`text\n${text}\n\`\`\``
const code = (text: string): string => `\`${text}\``
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Text on one line, with placeholders that Markdown would take for HTML kept as they are. */
function prose(text: string): string {
  return text.replaceAll('\n', ' ').replace(/[<>]/g, (c) => (c === '<' ? '&lt;' : '&gt;'))
}
