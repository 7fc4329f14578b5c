/** Turns resolved changes into rows: strict casts, transforms, row checks, and capture of what is refused, in one scan. */
import type { Check, Column } from '../definition/types.ts'
import type { EngineColumn, Session, WrittenFile } from '../engines/engine.ts'
import { castColumn } from '../quality/casts.ts'
import type { QuarantineWriter } from '../quality/quarantine.ts'
import { type RowContract, rowContract } from '../quality/rows/contract.ts'
import { openScan, ruleGroup, typedSql } from '../quality/rows/scan.ts'
import type { ColumnCast, RowRule } from '../quality/rule.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import { jsonPointer, keyPartSql } from './log-rows.ts'
import { printLsn } from './lsn.ts'

/** What rows must be. */
export interface RowShape {
  /** By their names here. */
  readonly key: readonly string[]
  readonly columns: { readonly [column: string]: Column }
  /** SQL over the cast row, by the column that it makes or replaces. */
  readonly transforms: { readonly [column: string]: string }
  /** Those of rows are judged here; the others are left to the caller. */
  readonly checks: readonly Check[]
}

/** Columns of every change, beside its own; `sluice_` begins no column of a user. */
export const own = {
  op: 'sluice_op',
  s: 'sluice_s',
  lsn: 'sluice_lsn',
  seq: 'sluice_seq',
  committedAt: 'sluice_committed_at',
  effectiveAt: 'sluice_effective_at',
} as const

/** Judges changes. */
export interface Judge extends Pick<RowContract, 'rules' | 'rest'> {
  /** The first change that was refused, in words; empty where none was. */
  readonly firstRefused: () => string
  /** The columns of an accepted row, without its {@link own}. */
  readonly columns: readonly EngineColumn[]
  /**
   * Writes the changes that obey, in their order.
   *
   * @param changes a SELECT of `s`, `op` (I, U, D), `lsn`, `seq`, `committed_at`, `effective_at`, `k` and `image`
   */
  write(changes: string, options: JudgeOptions): Promise<readonly WrittenFile[]>
}

/** What is written, and where. */
export interface JudgeOptions {
  /** Expressions over the columns of an accepted row. */
  readonly select: string
  /** An empty local folder. */
  readonly folder: string
  /** Whether the changes have a column `carried`: a MAP from columns to values that are not in the image. */
  readonly carries: boolean
}

const words = { _position: 'at', _committed_at: 'committed at' } as const

const text = (place: number): string => `sluice_c${place}`

/** A value's text as casts read it: PostgreSQL writes `t` and `f`, and `\x` before hexadecimal digits. */
function plainText({ type, trueValues, falseValues, encoding = 'hex' }: Column, sql: string): string {
  if (type === 'boolean' && trueValues === undefined && falseValues === undefined)
    return `CASE ${sql} WHEN 't' THEN 'true' WHEN 'f' THEN 'false' ELSE ${sql} END`
  if (type === 'binary' && encoding === 'hex')
    return `CASE WHEN starts_with(${sql}, '\\x') THEN substr(${sql}, 3) ELSE ${sql} END`
  return sql
}

/** Whose changes they are. */
export interface ChangesOf {
  readonly table: string
  /** Whether their places are positions of a server's log; those of files are places of files. */
  readonly hasPositions: boolean
}

/** The instant of a commit, to the microsecond. @example instant('1767225600000001') // '2026-01-01T00:00:00.000001Z' */
function instant(micros: string): string {
  const digits = (BigInt(micros) % 1_000_000n).toString().padStart(6, '0')
  return `${new Date(Number(BigInt(micros) / 1000n)).toISOString().slice(0, 20)}${digits}Z`
}

/**
 * Makes a judge. A delete has the columns of its key alone, and obeys by them: it is not lost for what a row was.
 *
 * @example const judge = await openJudge(session, shape, quarantine, { table: 'public.customers', hasPositions: true })
 * @throws Quality.ColumnInvalid, Engine.Failed where a transform is no SQL over the row
 */
export async function openJudge(
  session: Session,
  shape: RowShape,
  quarantine: QuarantineWriter,
  { table, hasPositions }: ChangesOf,
): Promise<Judge> {
  const names = Object.keys(shape.columns)
  const isKey = (name: string | undefined): boolean => name !== undefined && shape.key.includes(name)
  const casts = Object.entries(shape.columns).map(([name, column], place): ColumnCast => {
    // A row is known by its key: none of it can be missing.
    const cast = castColumn(name, column, text(place))
    return isKey(name) ? { ...cast, nullable: false } : cast
  })
  const forDelete = (rule: RowRule): RowRule =>
    rule.kind !== 'cast' && rule.kind !== 'required'
      ? { ...rule, valid: `(${own.op} = 'D' OR ${rule.valid})` }
      : isKey(rule.columns[0])
        ? rule
        : { ...rule, valid: `(${own.op} = 'D' OR ${rule.valid})` }
  const { rules: declared, rest } = rowContract(casts, { checks: shape.checks, refuses: 'rows' })
  const rules = declared.map(forDelete)
  const isCast = ({ kind }: RowRule): boolean => kind === 'cast' || kind === 'required'
  const [castRules, checkRules] = [rules.filter(isCast), rules.filter((rule) => !isCast(rule))]
  const [accepts, obeys] = [ruleGroup(castRules), ruleGroup(checkRules)]
  const castMasks = accepts.masks.map((_, at) => `sluice_mask${at}`)

  const layers = (changes: string, carries: boolean): string => {
    const texts = Object.entries(shape.columns).map(([name, column], place) => {
      const sent = `t[${place + 1}]`
      const found = carries ? `coalesce(carried[${quoteText(column.from ?? name)}], ${sent})` : sent
      return `${plainText(column, found)} AS ${text(place)}`
    })
    const masks = accepts.masks.map((mask, at) => `${mask} AS ${castMasks[at]}`)
    const typed = typedSql(
      `(SELECT * EXCLUDE (t), ${texts.join(', ')} FROM (${textsSql(shape, changes, carries)}))`,
      casts,
    )
    return transformed(`SELECT *, ${accepts.predicate} AS sluice_is_cast, ${masks.join(', ')} FROM (${typed})`, shape)
  }
  const described = await session.describe(`SELECT * FROM (${layers(nothing, false)})`)
  const made = [...names, ...Object.keys(shape.transforms).filter((name) => !names.includes(name))]
  const columns = made.map((name) => described.find((column) => column.name === name) as EngineColumn)

  // Checks of a row that could not be cast say nothing: its transforms are not made.
  const groups = [{ ...accepts, predicate: 'sluice_is_cast', masks: castMasks }, obeys]
  const at = `epoch_us(${own.committedAt})`
  let first: string | undefined
  const carried = [own.op, own.lsn, own.seq, at, 'sluice_image', ...names.map((_, place) => text(place))]
  const good = openScan(
    session,
    groups,
    carried.map((name) => `${name}::VARCHAR`),
    (reasons, [op, lsn, seq, committedAt, image, ...texts]) => {
      const place = {
        ...(hasPositions && { _position: printLsn(BigInt(lsn!)) }),
        ...(committedAt != null && { _committed_at: instant(committedAt) }),
      }
      first ??= `the first ${Object.entries(place)
        .map(([name, text]) => `${words[name as keyof typeof place]} ${text}`)
        .join(', ')}`
      const fields = {
        _op: op ?? null,
        ...place,
        ...Object.fromEntries(names.map((name, at) => [name, texts[at] ?? null])),
      }
      const bytes = image == null ? {} : { bytes: Buffer.from(image) }
      quarantine.add({
        ...{ file: table, line: 0, record: Number(seq), offset: Number(lsn) },
        ...{ ...bytes, reasons, fields },
      })
    },
  )
  return {
    firstRefused: () => first ?? '',
    columns,
    rules,
    rest,
    write: (changes, { select, folder, carries }) =>
      session.write(`SELECT ${select} FROM (${good(`(${layers(changes, carries)})`)}) ORDER BY ${own.s}`, {
        folder,
        ordered: true,
      }),
  }
}

const nothing = `SELECT 0::HUGEINT AS s, '' AS op, 0::BIGINT AS lsn, 0::BIGINT AS seq, now() AS committed_at, now() AS effective_at, '' AS k, '' AS image WHERE false`

/** The texts of a change's columns, as a list `t`: of a row from its image, of a delete those of its key. */
function textsSql({ columns, key }: RowShape, changes: string, carries: boolean): string {
  const pointers = Object.entries(columns).map(([name, { from }]) => quoteText(jsonPointer(from ?? name)))
  const ofKey = Object.keys(columns).map((name) =>
    key.includes(name) ? keyPartSql(key, key.indexOf(name), 'k') : 'NULL',
  )
  return `
    SELECT s AS ${own.s}, op AS ${own.op}, lsn AS ${own.lsn}, seq AS ${own.seq}, committed_at AS ${own.committedAt},
      effective_at AS ${own.effectiveAt}, image AS sluice_image,${carries ? ' carried,' : ''}
      CASE WHEN op = 'D' THEN [${ofKey.join(', ')}]::VARCHAR[] ELSE json_extract_string(image, [${pointers.join(', ')}]) END AS t
    FROM (${changes})`
}

/** Each transform sees the row as it was cast; none sees a row that could not be, or a delete. */
function transformed(rows: string, { columns, transforms }: RowShape): string {
  // The line break ends a comment at the end of what the user wrote.
  const value = ([name, sql]: readonly [string, string]): string =>
    `CASE WHEN sluice_is_cast AND ${own.op} <> 'D' THEN (${sql}\n) END AS ${quoteIdentifier(name)}`
  const replaced = Object.entries(transforms).filter(([name]) => Object.hasOwn(columns, name))
  const added = Object.entries(transforms).filter(([name]) => !Object.hasOwn(columns, name))
  if (replaced.length + added.length === 0) return rows
  const replace = replaced.length === 0 ? '' : ` REPLACE (${replaced.map(value).join(', ')})`
  return `SELECT *${replace}${added.map((one) => `, ${value(one)}`).join('')} FROM (${rows})`
}
