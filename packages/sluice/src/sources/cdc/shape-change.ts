/** What a change of a table's shape means for the rows that were read before: nothing, more of them, or that nobody knows. */

import type pg from 'pg'
import { relationOf } from '../../lake/relation.ts'
import { quoteText } from '../../sql/quote.ts'
import type { TakeContext } from '../source.ts'
import { waitingName } from './waiting.ts'

/** What became of a shape. */
export interface ShapeChange {
  /** `breaking`: rows that were read before may be other ones now, without a change that says so. */
  readonly kind: 'same' | 'additive' | 'breaking'
  /** In words. */
  readonly reasons: readonly string[]
}

interface Column {
  readonly name: string
  readonly typeOid: number
  readonly typeName?: string
  readonly typeModifier: number
}

interface Shape {
  readonly key: readonly string[]
  readonly columns: readonly Column[]
}

/**
 * Compares two shapes, as `relationShape` writes them. Columns are known by their names: their order means nothing.
 *
 * @example compareShapes(before, after) // { kind: 'breaking', reasons: ['column "note" was dropped'] }
 * @param filled added columns that earlier rows have a value of, which no change brings
 */
export function compareShapes(before: string, after: string, filled: ReadonlySet<string> = new Set()): ShapeChange {
  const [old, next] = [JSON.parse(before) as Shape, JSON.parse(after) as Shape]
  const breaking: string[] = []
  const additive: string[] = []
  if (old.key.join('\0') !== next.key.join('\0'))
    breaking.push(`rows are known by ${listed(next.key)} and no longer by ${listed(old.key)}`)
  const now = new Map(next.columns.map((column) => [column.name, column]))
  for (const column of old.columns) {
    const { name } = column
    const found = now.get(name)
    now.delete(name)
    if (found === undefined) breaking.push(`column "${name}" was dropped or renamed`)
    else if (typeOf(found) !== typeOf(column)) breaking.push(`column "${name}" has another type`)
    else if (found.typeModifier !== column.typeModifier)
      if (isWider(found.typeOid, column.typeModifier, found.typeModifier)) additive.push(`column "${name}" is wider`)
      else breaking.push(`column "${name}" has another length, precision or scale`)
  }
  for (const name of now.keys())
    if (filled.has(name))
      breaking.push(
        `column "${name}" was added with a value for the rows that were there: those before have none in the log, until sluice cdc resnapshot brings it`,
      )
    else additive.push(`column "${name}" was added`)
  const kind = breaking.length > 0 ? 'breaking' : additive.length > 0 ? 'additive' : 'same'
  return { kind, reasons: [...breaking, ...additive] }
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '))

/** A type made by a user is known by its name: its oid is another one in another database. */
const typeOf = ({ typeName, typeOid }: Column): string => typeName ?? `${typeOid}`

/** Whether every value is, letter by letter, what it was. */
function isWider(typeOid: number, from: number, to: number): boolean {
  // `varchar(n)`: the modifier is the length and 4, or none.
  if (typeOid === 1043) return to === -1 || (from !== -1 && to > from)
  // `numeric(p, s)`: the modifier is precision, scale and 4; the scale is a part of the text.
  if (typeOid !== 1700 || from === -1) return false
  return to === -1 || (((from - 4) & 0xffff) === ((to - 4) & 0xffff) && to > from)
}

/** What a judge asks. */
export interface ShapeJudgeContext {
  readonly client: pg.Client
  readonly take: Pick<TakeContext, 'session' | 'current'>
  /** The server's numbers of the tables, by their names here: they may have other names there. */
  readonly relations: ReadonlyMap<string, number>
  /** Shapes of copied rows that are in no version yet, by table. @default none */
  readonly copied?: ReadonlyMap<string, string>
}

/**
 * Makes a judge of new shapes: whether a table waits from here on (CD-16, CD-17).
 *
 * @example const waits = shapeJudge({ client, take, relations })
 */
export function shapeJudge(context: ShapeJudgeContext): (table: string, shape: string) => Promise<boolean> {
  const last = new Map(context.copied)
  return async (table, shape) => {
    const before = last.get(table) ?? (await lastShape(context, table))
    last.set(table, shape)
    if (before === undefined) return false
    return (
      compareShapes(before, shape, await filledColumns(context.client, context.relations.get(table))).kind ===
      'breaking'
    )
  }
}

/** The shape that the log has of a table. */
async function lastShape(
  { take: { current, session } }: Pick<ShapeJudgeContext, 'take'>,
  table: string,
): Promise<string | undefined> {
  if (current === undefined || current.files.length === 0) return undefined
  const names = [table, waitingName(table)].map(quoteText).join(', ')
  const [row] = await session.all<{ after: string }>(
    `SELECT after FROM ${await session.from(relationOf(current))} WHERE _op = 'R' AND _table IN (${names}) ORDER BY _lsn DESC, _seq DESC LIMIT 1`,
  )
  return row?.after
}

/** Columns that rows may have a value of since the column was added: those with a default, or that cannot be NULL. */
async function filledColumns(client: pg.Client, relation: number | undefined): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
       AND (a.atthasdef OR a.atthasmissing OR a.attnotnull OR a.attidentity <> '')`,
    [relation],
  )
  return new Set(rows.map((row) => row.name))
}
