/** Rows as a table, for people. */
import Table from 'cli-table3'
import { exactJson } from '../../base/json.ts'
import type { Channel } from '../terminal.ts'
import { cut, visible } from './text.ts'

/** A column of a table. */
export interface TableColumn {
  readonly key: string
  readonly title?: string
  readonly align?: 'left' | 'right'
}

/** The widest cell, in characters; longer values end with an ellipsis. */
const widest = 60

const quietChars = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((name) => [name, '']),
)

/**
 * Draws rows; every value is escaped, NULL is dim.
 *
 * @example await terminal.out.write(tableText([{ key: 'n', align: 'right' }], [{ n: '42' }], terminal.out))
 */
export function tableText(
  columns: readonly TableColumn[],
  rows: readonly { readonly [key: string]: unknown }[],
  channel: Pick<Channel, 'paint'>,
): string {
  const table = new Table({
    head: columns.map(({ key, title }) => channel.paint('bold', visible(title ?? key))),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: { ...quietChars, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) {
    table.push(
      columns.map(({ key }) => (row[key] === null ? channel.paint('dim', 'NULL') : cut(valueText(row[key]), widest))),
    )
  }
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
}

/** A value as text on one line: exact, with structures as JSON. @example valueText({ a: 1 }) // '{"a":1}' */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Object.is(value, -0)) return '-0'
  return visible(typeof value === 'object' ? exactJson(value) : String(value))
}

/** Whether an engine's type is written to the right, as numbers are. */
export function isNumeric(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL|DOUBLE|FLOAT|BIGNUM)/.test(type)
}
