/** A proposal in words: TypeScript to paste, and the difference from the contract that is there. */

import { printable } from '../../../base/printable.ts'
import type { Column, FilesSource } from '../../../definition/types.ts'
import { castColumn } from '../../../quality/casts.ts'
import { holds } from '../../../sql/types/lattice.ts'
import { namesInFile } from '../text/header.ts'
import type { ProposedColumn } from './crawl-types.ts'

/** One difference between a contract and a proposal. */
export interface ContractChange {
  readonly column: string
  readonly change: string
  readonly class: 'additive' | 'widening' | 'lossy' | 'destructive'
  readonly from?: string
  readonly to?: string
}

/**
 * The proposal as TypeScript.
 *
 * @example definitionText(source, columns, []) // "files('inbox/*.csv', {\n  columns: {\n    id: 'integer',\n …"
 */
export function definitionText(
  source: FilesSource,
  columns: readonly ProposedColumn[],
  notes: readonly string[],
): string {
  const { kind, ...options } = source.format
  const isDefault = kind === 'csv' && Object.keys(options).length === 0 && /\.(csv|csv\.gz)$/.test(source.path)
  const lines = [
    ...notes.map((note) => `// ${printable(note)}`),
    `files(${literal(source.path)}, {`,
    ...(isDefault ? [] : [`  format: ${objectText({ kind, ...options })},`]),
    '  columns: {',
    ...columns.map(({ name, column, note }) => {
      const comment = note === undefined ? '' : ` // ${printable(note)}`
      return column === undefined
        ? `    // ${printable(name)}: left out${comment}`
        : `    ${key(name)}: ${columnText(column)},${comment}`
    }),
    '  },',
    '})',
  ]
  return `${lines.join('\n')}\n`
}

const key = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : literal(name))

const literal = (text: string): string =>
  `'${printable(JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'"))}'`

function columnText(column: Column): string {
  return Object.keys(column).length === 1 ? literal(column.type) : objectText({ ...column })
}

function objectText(object: Readonly<Record<string, unknown>>): string {
  const text = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`
    return typeof value === 'string' ? literal(value) : String(value)
  }
  const members = Object.entries(object).map(([name, value]) => `${name}: ${text(value)}`)
  return `{ ${members.join(', ')} }`
}

/** What changes if the proposal takes the contract's place. */
export function contractDiff(existing: FilesSource, proposed: FilesSource): readonly ContractChange[] {
  const changes: ContractChange[] = []
  const found = new Map(Object.entries(proposed.columns))
  const declared = new Set<string>()
  for (const [name, column] of Object.entries(existing.columns)) {
    const names = namesInFile(name, column)
    for (const one of names) declared.add(one)
    const other = names.map((one) => found.get(one)).find((one) => one !== undefined)
    if (other === undefined) {
      if (column.optional === true) continue
      changes.push({ column: name, change: 'not in the files', class: 'destructive', from: column.type })
      continue
    }
    const [from, to] = [castColumn(name, column, '"t"').type, castColumn(name, other, '"t"').type]
    // A type that holds more than the files need is no change.
    if (from !== to && !holds(from, to) && from !== 'VARCHAR') {
      const isWider = holds(to, from)
      const kind = isWider ? 'widening' : 'lossy'
      changes.push({ column: name, change: 'type', class: kind, from: column.type, to: other.type })
    }
    if (other.nullable === true && column.nullable !== true) {
      changes.push({ column: name, change: 'has missing values', class: 'widening', from: 'not null', to: 'nullable' })
    }
  }
  for (const [name, column] of found) {
    if (!declared.has(name)) {
      changes.push({ column: name, change: 'new in the files', class: 'additive', to: column.type })
    }
  }
  return changes
}
