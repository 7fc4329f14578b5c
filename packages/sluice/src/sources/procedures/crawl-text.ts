/** Proposals in words: TypeScript to paste. Pure. */
import { printable } from '../../base/printable.ts'
import { tableOf } from '../../definition/procedures/rules.ts'
import type { ProposedProcedure, ProposedSet } from './crawl.ts'

/** Values that a procedure was called with, by the parameter's name. */
export type GivenValues = { readonly [parameter: string]: string | null }

/**
 * Proposals as an entry of a pipeline's `sources`.
 *
 * @param given the values of the call, where there was one
 * @example proceduresText('erp', proposals, {}) // "...procedures('erp', [\n  {\n    procedure: 'dbo.usp_customers',\n …"
 */
export function proceduresText(
  connection: string,
  proposals: readonly ProposedProcedure[],
  given: GivenValues,
): string {
  const entries = proposals.flatMap((proposal) =>
    proposal.sets.length === 0
      ? [`  // ${proposal.procedure}: ${printable(proposal.note ?? 'nothing is known of its results')}`]
      : proposal.sets.flatMap((set) => entryLines(proposal, set, given)),
  )
  return `${[`...procedures(${literal(connection)}, [`, ...entries, ']),'].join('\n')}\n`
}

function entryLines(proposal: ProposedProcedure, set: ProposedSet, given: GivenValues): readonly string[] {
  const { procedure, parameters, note } = proposal
  const isUnsure = set.columns.some(({ nullable }) => nullable === undefined)
  const first = set.columns.find(({ name }) => name !== '')?.name ?? ''
  return [
    ...(note === undefined ? [] : [`  // ${printable(note)}`]),
    '  {',
    `    procedure: ${literal(procedure)},`,
    ...(set.table === tableOf(procedure) ? [] : [`    table: ${literal(set.table)},`]),
    ...(set.set === 1 ? [] : [`    resultSet: ${set.set},`]),
    ...parameterLines(parameters, given),
    ...outputLines(parameters),
    ...(isUnsure
      ? ['    // The server does not say which columns can be NULL: take nullable away where none is.']
      : []),
    '    columns: {',
    ...set.columns.map(columnLine),
    '    },',
    `    // key: [${literal(first)}], // the columns that identify a row`,
    '  },',
  ]
}

function columnLine({ name, type, serverType, nullable, note }: ProposedSet['columns'][number]): string {
  if (name === '') return `      // ${printable(serverType)}: ${note}`
  const comment = note === undefined ? '' : ` // ${note}`
  const options = [
    `type: '${type}'`,
    ...(nullable === false ? [] : ['nullable: true']),
    // Most values use the seventh digit, since clocks have it: without a word of it nearly all rows would be refused.
    ...(/^(datetime2|time|datetimeoffset)\(7\)$/i.test(serverType) && type !== 'text' ? ["fraction: 'truncate'"] : []),
    `serverType: ${literal(serverType)}`,
  ]
  return `      ${key(name)}: { ${options.join(', ')} },${comment}`
}

function parameterLines(parameters: ProposedProcedure['parameters'], given: GivenValues): readonly string[] {
  const lines = parameters
    .filter(({ name, output, hasDefault }) => Object.hasOwn(given, name) || (!output && hasDefault !== true))
    .map(({ name, type, serverType }) => {
      const value = given[name] ?? null
      const text = value === null ? 'null' : literal(value)
      return `      ${key(name)}: parameter(${text}, '${type}'), // ${printable(serverType)}${value === null ? `: ${alternatives(type)}` : ''}`
    })
  return lines.length === 0 ? [] : ['    parameters: {', ...lines, '    },']
}

const alternatives = (type: string): string =>
  type.startsWith('timestamp')
    ? 'a constant, windowFrom() or windowTo()'
    : type === 'date'
      ? 'a constant, runDate(), windowFrom() or windowTo()'
      : "a constant, or each('<table>', '<column>')"

/** Cursors come as result sets, whatever parameter they come by. */
function outputLines(parameters: ProposedProcedure['parameters']): readonly string[] {
  const outputs = outputsOf(parameters).map(({ name, type }) => `${key(name)}: { type: '${type}' }`)
  return outputs.length === 0 ? [] : [`    output: { ${outputs.join(', ')} },`]
}

/**
 * Output parameters that are values.
 *
 * @example outputsOf(description.parameters).map(({ name }) => name)
 */
export function outputsOf(parameters: ProposedProcedure['parameters']): ProposedProcedure['parameters'] {
  return parameters.filter(({ output, serverType }) => output && !/cursor/i.test(serverType))
}

const key = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : literal(name))

/** Any text as a literal; what would break a line or a terminal is escaped, so that it still means the same. */
const literal = (text: string): string =>
  `'${text.replace(/[\\']|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => (/[\\']/.test(one) ? `\\${one}` : `\\u{${one.codePointAt(0)?.toString(16)}}`))}'`
