/** Which types hold every value of a column, by the same strict casts that a source uses. */
import type { Column, ColumnType } from '../../../definition/types.ts'
import type { Session } from '../../../engines/engine.ts'
import { castColumn } from '../../../quality/casts.ts'
import type { ScanInput } from '../scan.ts'
import { textColumnSql } from '../text/normalised.ts'

/** A column of a proposal. */
export interface ProposedColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly note?: string
  /** The contract's column; absent where there is no type for it. */
  readonly column?: Column
}

const ambiguous = [
  ['M/d/yyyy', 'd/M/yyyy'],
  ['M-d-yyyy', 'd-M-yyyy'],
  ['M/d/yy', 'd/M/yy'],
] as const

const datePatterns = [
  'M/d/yyyy',
  'd/M/yyyy',
  'M-d-yyyy',
  'd-M-yyyy',
  'd.M.yyyy',
  'yyyy/M/d',
  'M/d/yy',
  'd/M/yy',
  'd MMM yyyy',
  'd-MMM-yyyy',
] as const

/** A type that may be proposed, and what all of a sample's values must look like for it to be tried. */
interface Candidate {
  readonly column: Column
  readonly shape: RegExp
}

const patternShape = (pattern: string): string =>
  pattern.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&').replace(/MMM|yyyy|yy|mm|ss|[MdH]/g, (letters) => {
    return letters === 'MMM' ? '[A-Za-z]{3}' : letters.length === 1 ? '\\d{1,2}' : `\\d{${letters.length}}`
  })

const shaped = (type: 'date' | 'timestamp', format: string): Candidate => ({
  ...{ column: { type, format }, shape: new RegExp(`^${patternShape(format)}$`) },
})

/** Types in the order in which they are proposed: the first that holds every value. */
const candidates: readonly Candidate[] = [
  { column: { type: 'boolean' }, shape: /^(true|false)$/i },
  { column: { type: 'integer' }, shape: /^[+-]?\d+$/ },
  { column: { type: 'bigint' }, shape: /^[+-]?\d+$/ },
  { column: { type: 'decimal(38,0)' }, shape: /^[+-]?\d+$/ },
  { column: { type: 'date' }, shape: /^\d{4}-\d\d-\d\d$/ },
  ...datePatterns.map((format) => shaped('date', format)),
  { column: { type: 'timestamp' }, shape: /^\d{4}-\d\d-\d\d[T ]\d\d:/ },
  ...datePatterns.flatMap((date) => ['H:mm', 'H:mm:ss'].map((time) => shaped('timestamp', `${date} ${time}`))),
  { column: { type: 'time' }, shape: /^\d\d:\d\d/ },
  { column: { type: 'uuid' }, shape: /^[\da-f]{8}-[\da-f]{4}-/i },
]

interface Evidence {
  rows: number
  nulls: number
  leadingZeros: number
  numbers: number
  exponents: number
  integerDigits: number
  scale: number
  objects: number
  json: number
  /** Of each candidate; -1 where a sample ruled it out. */
  valid: number[]
}

/** Columns asked about in one query. */
const columnsPerQuery = 25

/** Proposes a type for each column, from all values of all scans. */
export async function proposeTypes(
  session: Session,
  names: readonly string[],
  scans: readonly ScanInput[],
): Promise<readonly ProposedColumn[]> {
  const proposed: ProposedColumn[] = []
  for (let from = 0; from < names.length; from += columnsPerQuery) {
    const some = names.slice(from, from + columnsPerQuery)
    const evidence = some.map(noEvidence)
    for (const scan of scans) await ruleOut(session, scan, from, evidence)
    for (const scan of scans) await gather(session, scan, from, evidence)
    proposed.push(...some.map((name, at) => propose(name, evidence[at]!)))
  }
  return proposed
}

const noEvidence = (): Evidence => ({
  rows: 0,
  nulls: 0,
  leadingZeros: 0,
  numbers: 0,
  exponents: 0,
  integerDigits: 0,
  scale: 0,
  objects: 0,
  json: 0,
  valid: candidates.map(() => 0),
})

const plainNumber = "'[+-]?\\d*\\.?\\d+'"
const anyNumber = "'[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?'"

/** Rules out what a few rows do not look like, so that few casts are tried on all. */
async function ruleOut(session: Session, scan: ScanInput, from: number, evidence: readonly Evidence[]): Promise<void> {
  const columns = evidence.map((_, at) => `${textColumnSql(scan.positions[from + at]!)} AS c${at}`)
  const rows = await session.all<Record<string, string | null>>(
    `SELECT ${columns.join(', ')} FROM ${scan.relation} LIMIT 500`,
  )
  for (const [at, of] of evidence.entries()) {
    for (const row of rows) {
      const text = row[`c${at}`]
      if (text === null || text === undefined) continue
      for (const [place, { shape }] of candidates.entries()) if (!shape.test(text)) of.valid[place] = -1
    }
  }
}

async function gather(session: Session, scan: ScanInput, from: number, evidence: readonly Evidence[]): Promise<void> {
  const columns = evidence.map((_, at) => {
    const text = textColumnSql(scan.positions[from + at]!)
    const count = (condition: string): string => `count(*) FILTER (WHERE ${condition})`
    const valid = candidates.map(({ column }, place) =>
      evidence[at]!.valid[place] === -1
        ? '-1'
        : count(`${text} IS NOT NULL AND ${castColumn('c', column, text).valid}`),
    )
    const parts = [
      'count(*)',
      `count(*) - count(${text})`,
      count(`regexp_full_match(${text}, '[+-]?0\\d+(\\.\\d*)?')`),
      count(`regexp_full_match(${text}, ${plainNumber})`),
      count(`regexp_full_match(${text}, ${anyNumber})`),
      `coalesce(max(length(regexp_extract(${text}, '^[+-]?0*(\\d*)', 1))), 0)`,
      `coalesce(max(length(regexp_extract(${text}, '\\.(\\d*)$', 1))), 0)`,
      count(`regexp_full_match(${text}, '(?s)\\s*[{\\[].*')`),
      count(`${text} IS NOT NULL AND ${castColumn('c', { type: 'json' }, text).valid}`),
      ...valid,
    ]
    return `[${parts.map((part) => `(${part})::BIGINT`).join(', ')}]`
  })
  const [row] = await session.all<Record<string, readonly string[]>>(
    `SELECT ${columns.map((column, at) => `${column} AS c${at}`).join(', ')} FROM ${scan.relation}`,
  )
  for (const [at, of] of evidence.entries()) {
    const [rows, nulls, zeros, numbers, exponents, digits, scale, objects, json, ...valid] = row![`c${at}`]!.map(Number)
    of.rows += rows!
    of.nulls += nulls!
    of.leadingZeros += zeros!
    of.numbers += numbers!
    of.exponents += exponents!
    of.integerDigits = Math.max(of.integerDigits, digits!)
    of.scale = Math.max(of.scale, scale!)
    of.objects += objects!
    of.json += json!
    for (const [place, count] of valid.entries()) if (count >= 0) of.valid[place]! += count
  }
}

function propose(name: string, evidence: Evidence): ProposedColumn {
  const values = evidence.rows - evidence.nulls
  const nullable = evidence.nulls > 0 || values === 0
  const made = (column: Column, note?: string): ProposedColumn => ({
    name,
    type: column.type,
    nullable,
    ...(note === undefined ? {} : { note }),
    column: { ...column, ...(nullable ? { nullable } : {}) },
  })
  if (values === 0) return made({ type: 'text' }, 'no value was seen')
  if (evidence.leadingZeros > 0) return made({ type: 'text' }, 'leading zeros: kept as text')
  const holds = (at: number): boolean => evidence.valid[at] === values
  const at = candidates.findIndex((_, place) => holds(place))
  if (at >= 0 && !(candidates[at]!.column.type === 'decimal(38,0)' && evidence.scale > 0)) {
    const { column } = candidates[at]!
    return made(column, ambiguityOf(column, holds))
  }
  if (evidence.numbers === values) {
    const { integerDigits, scale } = evidence
    const precision = Math.max(1, integerDigits) + scale
    if (precision <= 38) return made({ type: `decimal(${precision},${scale})` as ColumnType })
  }
  if (evidence.exponents === values && evidence.numbers < values) return made({ type: 'float' })
  if (evidence.objects === values && evidence.json === values) return made({ type: 'json' })
  return made({ type: 'text' })
}

function ambiguityOf({ type, format }: Column, holds: (at: number) => boolean): string | undefined {
  if (typeof format !== 'string') return undefined
  for (const [american, european] of ambiguous) {
    if (!format.startsWith(american)) continue
    const other = format.replace(american, european)
    const at = candidates.findIndex(({ column }) => column.type === type && column.format === other)
    if (at >= 0 && holds(at)) return `ambiguous: every value is also a date as ${other}; decide which it is`
  }
  return undefined
}
