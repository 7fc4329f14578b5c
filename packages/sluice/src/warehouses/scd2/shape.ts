/** What an `scd2` load means for its tables: which columns are keys, tracked, and Sluice's own. Pure. */
import { assert, sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import { addedColumns } from '../../definition/columns.ts'
import type { Load, Scd2Columns } from '../../definition/types.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import { areSpelledAlike, holds } from '../../sql/types/lattice.ts'
import type { Dialect } from '../dialect.ts'
import type { FoundColumn } from '../drift.ts'
import { type Companion, columnList, requireColumns, sameKey } from '../statements.ts'
import type { LoadColumn, LoadInput } from '../warehouse.ts'

/** An `scd2` load. */
export type Scd2Load = Extract<Load, { mode: 'scd2' }>

/** The parts of a dimension. */
export interface Scd2Shape {
  readonly load: Scd2Load
  readonly keys: readonly string[]
  /** A change in one of these opens a version. */
  readonly tracked: readonly string[]
  /** A change in one of these alone overwrites the version that is valid then. */
  readonly untracked: readonly string[]
  /** Tracked and untracked, in the order of the input. */
  readonly attributes: readonly string[]
  readonly sequence: readonly string[]
  readonly columns: Scd2Columns
  /** The type of `effective` and `expiry`: that of the declared column, or TIMESTAMP (UTC). */
  readonly instant: string
  /** SQL: the expiry of a version that still holds. A constant, so that BETWEEN and joins need no special case. */
  readonly forever: string
  /** Whether changes come with their own time, so that some may be late. */
  readonly timed: boolean
  /** The observations table's name, quoted. */
  readonly observations: string
}

/** Names of the working columns; an input may not use them. */
export const own = {
  effective: 'sluice_effective',
  deleted: 'sluice_deleted',
} as const

/** What became of the changes that came in: each has one place here, or repeats another. */
export interface Tally {
  /** Changes that opened a version. */
  readonly opened: number
  /** Changes that only overwrote columns that are not tracked. */
  readonly overwrote: number
  /** Deletes that ended a version. */
  readonly closed: number
  /** Changes that changed nothing. */
  readonly idle: number
  /** Changes that the log had already. */
  readonly known: number
  /** Versions that late changes made needless: nothing changes any more where they began. */
  readonly vanished: number
  /** Late changes that were refused, and late deletes. */
  readonly rejected: number
  readonly rejectedMarkers: number
  /** By how many versions the dimension grew. */
  readonly growth: number
}

/** The tally of nothing. */
export const noChanges: Tally = {
  opened: 0,
  overwrote: 0,
  closed: 0,
  idle: 0,
  known: 0,
  vanished: 0,
  rejected: 0,
  rejectedMarkers: 0,
  growth: 0,
}

/**
 * Reads the shape from the load and the input's columns.
 *
 * @throws Warehouse.Column for names that the input lacks, that clash, keys whose texts differ between warehouses, or an `effective` that is
 *   no date or timestamp
 */
export function scd2Shape(input: Pick<LoadInput, 'target' | 'load' | 'columns'>, dialect: Dialect): Scd2Shape {
  const { load, columns, target } = input
  assert(load.mode === 'scd2', 'the load is scd2')
  const flag = typeof load.deletes === 'object' ? load.deletes.column : undefined
  const effective = load.effective ?? load.snapshot
  requireColumns(input, [...load.key, ...(load.track ?? []), effective, load.sequence, flag])
  const told = addedColumns('history').map(({ name }) => name)
  const isHistory = told.every((name) => columns.some((column) => column.name === name))
  // What a history tells of each change beside the row would make every change a new version.
  const beside = isHistory ? told.filter((name) => load.track?.includes(name) !== true) : []
  const notAttributes = new Set([...load.key, effective, load.sequence, flag, ...beside])
  const attributes = columns.map(({ name }) => name).filter((name) => !notAttributes.has(name))
  const tracked = attributes.filter((name) => load.track?.includes(name) ?? true)
  const reserved = new Set(Object.values(load.columns))
  for (const { name } of columns) {
    const clash = name !== effective && name !== flag && reserved.has(name)
    if (clash || name.startsWith('sluice_')) {
      const why = clash
        ? 'the dimension has a column of its own with this name'
        : 'names that begin with sluice_ are reserved'
      throw sluiceError('Warehouse.Column', { target, column: name, why })
    }
  }
  for (const { name, type } of columns.filter((column) => load.key.includes(column.name))) {
    const why = `it is ${type}, whose values warehouses write as different texts, and a key's text makes its surrogate: cast it in the model`
    if (['FLOAT', 'DOUBLE', 'BLOB'].includes(type)) throw sluiceError('Warehouse.Column', { target, column: name, why })
  }
  const instant = columns.find(({ name }) => name === effective)?.type ?? 'TIMESTAMP'
  if (!['DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'].includes(instant)) {
    const why = `it says when a row became true, and is ${instant}, not a date or a timestamp`
    throw sluiceError('Warehouse.Column', { target, column: effective ?? '', why })
  }
  return {
    load,
    keys: load.key,
    tracked,
    untracked: attributes.filter((name) => !tracked.includes(name)),
    attributes,
    sequence: load.sequence === undefined ? [] : [load.sequence],
    columns: load.columns,
    instant,
    forever: foreverSql({ dialect, instant }),
    timed: effective !== undefined,
    observations: ownTable('scd2_observations', target, dialect),
  }
}

/**
 * A key's type may widen only where its values keep their texts: of those the surrogates are made that facts have.
 *
 * @param found The dimension's columns as they are.
 * @throws Warehouse.Column
 */
export function refuseRespelledKeys(
  { target, load, columns }: LoadInput,
  dialect: Dialect,
  found: readonly FoundColumn[],
): void {
  if (load.mode !== 'scd2') return
  for (const { name, type } of columns.filter((column) => load.key.includes(column.name))) {
    const is = found.find((column) => column.name === name)?.type
    const now = dialect.heldAs(type)
    // Of two that hold nothing of each other the drift tells.
    if (is === undefined || areSpelledAlike(is, now) || !(holds(is, now) || holds(now, is))) continue
    const why = `it was ${is} and is ${type} now, which writes the same values as other texts, and a key's text makes its surrogate: cast it in the model`
    throw sluiceError('Warehouse.Column', { target, column: name, why })
  }
}

/** The dimension's columns: key, attributes, sequence, then SCD2's own. */
export function dimensionColumns(shape: Scd2Shape, input: Pick<LoadInput, 'columns'>): readonly LoadColumn[] {
  const { surrogate, effective, expiry, current } = shape.columns
  const column = (name: string, type: string): LoadColumn => ({ name, type, nullable: false })
  return [
    column(surrogate, 'VARCHAR'),
    ...dataColumns(shape, input),
    column(effective, shape.instant),
    column(expiry, shape.instant),
    column(current, 'BOOLEAN'),
  ]
}

/** The table of what was observed and made no version, or is not what the version shows. */
export function observationsTable(shape: Scd2Shape, input: Pick<LoadInput, 'columns'>): Companion {
  return {
    name: shape.observations,
    columns: [
      ...dataColumns(shape, input),
      { name: own.effective, type: shape.instant, nullable: false },
      { name: own.deleted, type: 'BOOLEAN', nullable: false },
    ],
  }
}

function dataColumns(shape: Scd2Shape, input: Pick<LoadInput, 'columns'>): readonly LoadColumn[] {
  const wanted = new Set([...shape.keys, ...shape.attributes, ...shape.sequence])
  return input.columns.filter(({ name }) => wanted.has(name))
}

/** A table of Sluice's own beside a dimension; its name, quoted. */
export function ownTable(what: string, target: string, { ownSchema, maxIdentifierBytes }: Dialect): string {
  const name = `${what}_${target}`
  const short = Buffer.byteLength(name) <= maxIdentifierBytes ? name : `${what}_${sha256(target).slice(0, 16)}`
  return `${ownSchema}.${quoteIdentifier(short)}`
}

/** The expiry of a version that still holds. */
export function foreverSql({ dialect, instant }: { readonly dialect: Dialect; readonly instant: string }): string {
  return `CAST('9999-12-31${instant === 'DATE' ? '' : ' 00:00:00'}' AS ${dialect.columnType(instant)})`
}

/** The columns that a change brings. */
export function dataOf(shape: Scd2Shape): readonly string[] {
  return [...shape.keys, ...shape.attributes, ...shape.sequence]
}

/** The log of the keys that came in, as known: what stands after FROM. */
export function original(shape: Scd2Shape): string {
  const row = (alias: string): string => columnList([...dataOf(shape), own.effective, own.deleted], alias)
  return `(SELECT ${row('n')} FROM sluice_noted AS n
    UNION ALL SELECT ${row('k')} FROM sluice_known AS k
    WHERE NOT EXISTS (SELECT 1 FROM sluice_noted AS n WHERE ${sameKey([...shape.keys, own.effective], 'n', 'k')}))`
}
