/**
 * Values that a change did not bring, since they stayed as they were: found in the row's earlier changes, through changes of its key.
 *
 * What is followed are places, not values: a large value is read once, when the image is put together, and never held.
 */
import { sluiceError } from '../base/errors.ts'
import type { Session } from '../engines/engine.ts'
import { jsonPointer, lsnOf, type Span, weightSql } from './log-rows.ts'

/** Names of the working tables. */
const [wanted, earlier, references, carried] = [
  'changes_wanted',
  'changes_earlier',
  'changes_references',
  'changes_carried',
]

/** The table of places of changes whose values nobody holds, and that a later change of the same row has made good: `s`. */
export const superseded = 'changes_superseded'

/** A change, without its image. */
interface LightChange {
  readonly s: string
  readonly op: string
  readonly k: string | null
  readonly was: string | null
  readonly unchanged: string | null
}

/** Where a row's values are: all in the change at `own`, but for some in older ones. */
interface Holder {
  readonly own: Place
  readonly older: ReadonlyMap<string, Place>
}

/** The place of a change; or that of a key at the beginning, whose earlier changes are not known yet; or none, where the row has no earlier change. */
type Place = { readonly s: string } | { readonly root: string } | { readonly lost: string }

/** A key whose changes are looked for, and before which place it had the value; NULL for the end. */
interface Wanted {
  readonly k: string
  readonly upto: string | null
}

/** A value that a change takes from elsewhere. */
interface Reference {
  readonly s: string
  readonly column: string
  readonly from: Place
}

/** One whose place is known. */
interface Resolved {
  readonly s: string
  readonly column: string
  readonly from: string
}

/** What is carried, and from where. */
export interface CarryInput {
  readonly session: Session
  /** The table, for messages. */
  readonly table: string
  /** The chunk's rows: the name of a table with the columns of `logRowsSql`. */
  readonly rows: string
  /** A SELECT of the table's rows in a span of the log. */
  readonly log: (span: Span) => string
  /** The same without images. */
  readonly light: (span: Span) => string
  /** The columns that are taken, by their names in the table: nobody asks for the values of others. */
  readonly columns: ReadonlySet<string>
  /** The place before the chunk's first row. */
  readonly after: string
  /** The place of the chunk's last row. */
  readonly last: string
}

/** Values to be carried, found but not yet read. */
export interface Carried {
  /** Places at which the chunk is cut, so that what is read for a piece is bounded; each inclusive, the last is the chunk's. */
  readonly cuts: readonly string[]
  /**
   * Reads the values of a piece.
   *
   * @returns a table's name, with columns `s` and `carried`: a MAP from columns to the values that the change at `s` did not bring
   */
  values(after: string, upTo: string): Promise<string>
}

/**
 * Finds what changes did not bring.
 *
 * @example const { cuts, values } = await findCarried({ session, table, rows, log, light, columns, after, last }, 16 << 20)
 * @param bytes weighted bytes of images, read at once
 * @throws Changes.ValueNotHeld where the log has neither an earlier change of the row that brought a value, nor a later one of it
 */
export async function findCarried(input: CarryInput, bytes: number): Promise<Carried> {
  const { session, rows, columns } = input
  await session.run(`CREATE OR REPLACE TABLE ${superseded} (s HUGEINT)`)
  // A row is followed back through changes of keys alone.
  const related = `SELECT k FROM ${rows} WHERE unchanged IS NOT NULL OR was IS NOT NULL UNION SELECT was FROM ${rows} WHERE was IS NOT NULL`
  const chunk = await follow(session, `FROM ${rows} WHERE k IN (${related}) OR op = 'T'`, columns, (root) => ({ root }))
  const roots = new Set(chunk.references.flatMap(({ from }) => ('root' in from ? [from.root] : [])))
  const held = roots.size === 0 ? undefined : await followBack(input, roots)
  const resolved: Resolved[] = []
  const lost = new Map<string, string>()
  for (const { s, column, from } of chunk.references) {
    const holder = 'root' in from ? held?.get(from.root) : undefined
    const source = 'root' in from ? (holder?.older.get(column) ?? holder?.own) : from
    if (source !== undefined && 's' in source) resolved.push({ s, column, from: source.s })
    else lost.set(s, column)
  }
  await supersede(input, lost)
  const kept = resolved.filter(({ s }) => !lost.has(s))
  await stageReferences(session, kept)
  return { cuts: await cutsOf(input, kept, bytes), values: (after, upTo) => readValues(input, kept, after, upTo) }
}

/**
 * Leaves out changes whose values nobody holds, where the log says later what became of the row: the next change of it, which is whole or is
 * judged the same way, or a TRUNCATE. What the row was in between is not known.
 *
 * @param lost a column of each, by their places
 */
async function supersede(
  { session, table, rows, light }: CarryInput,
  lost: ReadonlyMap<string, string>,
): Promise<void> {
  if (lost.size === 0) return
  const places = [...lost.keys()]
  for (let at = 0; at < places.length; at += 2048)
    await session.run(
      `INSERT INTO ${superseded} VALUES ${places
        .slice(at, at + 2048)
        .map((s) => `(${s})`)
        .join(', ')}`,
    )
  const [first] = places
  const [never] = await session.all<{ s: string; k: string }>(`
    WITH later AS (SELECT s, op, k, was FROM (${light({ after: first! })})),
      ends AS (SELECT k, max(s) AS s FROM (SELECT k, s FROM later WHERE op <> 'T' UNION ALL SELECT was, s FROM later WHERE was IS NOT NULL) GROUP BY k)
    SELECT r.s::VARCHAR AS s, r.k FROM ${rows} AS r LEFT JOIN ends ON ends.k = r.k
    WHERE r.s IN (FROM ${superseded}) AND r.s >= greatest(coalesce(ends.s, -1), (SELECT coalesce(max(s), -1) FROM later WHERE op = 'T'))
    ORDER BY r.s LIMIT 1`)
  if (never !== undefined)
    throw sluiceError('Changes.ValueNotHeld', { table, column: lost.get(never.s)!, key: never.k })
}

/** Goes through changes in their order; answers what they refer to, and where each key's values are at the end. */
async function follow(
  session: Session,
  from: string,
  columns: ReadonlySet<string>,
  begin: (key: string) => Place,
): Promise<{ readonly references: readonly Reference[]; readonly state: ReadonlyMap<string, Holder | undefined> }> {
  const state = new Map<string, Holder | undefined>()
  const references: Reference[] = []
  let isCleared = false
  const placeOf = (key: string, column: string): Place => {
    const holder = state.get(key)
    if (holder !== undefined) return holder.older.get(column) ?? holder.own
    return isCleared || state.has(key) ? { lost: key } : begin(key)
  }
  for await (const batch of session.stream(`SELECT s, op, k, was, unchanged ${from} ORDER BY s`)) {
    for (const { s, op, k, was, unchanged } of batch as unknown as readonly LightChange[]) {
      if (op === 'T') {
        state.clear()
        isCleared = true
        continue
      }
      const key = k as string
      const older = new Map<string, Place>()
      for (const column of unchanged === null ? [] : (JSON.parse(unchanged) as string[])) {
        if (!columns.has(column)) continue
        const place = placeOf(was ?? key, column)
        older.set(column, place)
        references.push({ s, column, from: place })
      }
      if (was !== null) state.set(was, undefined)
      state.set(key, op === 'D' ? undefined : { own: { s }, older })
    }
  }
  return { references, state }
}

/**
 * Where the values of keys are before the chunk. Only what comes after a row's last whole image is looked at: the last before the place where a
 * value was taken along to another key, since the key it left may have had other rows after that.
 */
async function followBack(
  { session, light, after, columns }: CarryInput,
  roots: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Holder | undefined>> {
  await session.run(`CREATE OR REPLACE TABLE ${wanted} (k VARCHAR, upto VARCHAR, round VARCHAR)`)
  await session.run(
    `CREATE OR REPLACE TABLE ${earlier} (s HUGEINT, op VARCHAR, k VARCHAR, was VARCHAR, unchanged VARCHAR)`,
  )
  let next: readonly Wanted[] = [...roots].map((k) => ({ k, upto: null }))
  for (let round = 0; next.length > 0; round++) {
    session.append(
      wanted,
      [next.map(({ k }) => k), next.map(({ upto }) => upto), next.map(() => `${round}`)],
      next.length,
    )
    await session.run(
      `INSERT INTO ${earlier} SELECT s, op, k, was, unchanged FROM (
         SELECT *, max(CASE WHEN unchanged IS NULL AND op <> 'D' AND (upto IS NULL OR s < upto::HUGEINT) THEN s END) OVER (PARTITION BY k) AS whole
         FROM (SELECT s, op, k, was, unchanged FROM (${light({ upTo: after })})) JOIN (FROM ${wanted} WHERE round = '${round}') USING (k))
       WHERE (whole IS NULL OR s >= whole) AND s NOT IN (SELECT s FROM ${earlier})`,
    )
    next = await session.all<Wanted>(
      `SELECT k, s::VARCHAR AS upto
       FROM (SELECT was AS k, min(s) AS s FROM ${earlier} WHERE was IS NOT NULL AND unchanged IS NOT NULL GROUP BY was) AS e
       WHERE NOT EXISTS (SELECT 1 FROM ${wanted} AS w WHERE w.k = e.k AND w.upto::HUGEINT <= e.s)`,
    )
  }
  const { state } = await follow(session, `FROM ${earlier}`, columns, (lost) => ({ lost }))
  return state
}

async function stageReferences(session: Session, resolved: readonly Resolved[]): Promise<void> {
  await session.run('CREATE OR REPLACE TABLE changes_found (s VARCHAR, name VARCHAR, pointer VARCHAR, source VARCHAR)')
  for (let at = 0; at < resolved.length; at += 2048) {
    const some = resolved.slice(at, at + 2048)
    const texts = [
      some.map(({ s }) => s),
      some.map(({ column }) => column),
      some.map(({ column }) => jsonPointer(column)),
      some.map(({ from }) => from),
    ]
    session.append('changes_found', texts, some.length)
  }
  await session.run(
    `CREATE OR REPLACE TABLE ${references} AS SELECT s::HUGEINT AS s, name, pointer, source::HUGEINT AS source FROM changes_found`,
  )
  await session.run('DROP TABLE changes_found')
}

/** Where the sizes of the images that are read add up to a piece. */
async function cutsOf(
  { session, log, last }: CarryInput,
  resolved: readonly Resolved[],
  bytes: number,
): Promise<readonly string[]> {
  const found = await session.all<{ upTo: string }>(`
    SELECT max(s)::VARCHAR AS "upTo" FROM (
      SELECT s, sum(bytes) OVER (ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) // ${bytes} AS piece
      FROM (SELECT r.s, sum(coalesce(l.bytes, 0)) AS bytes FROM ${references} AS r
        LEFT JOIN (SELECT s, ${weightSql('image')} AS bytes FROM (${sourcesSql(log, resolved)})) AS l ON l.s = r.source GROUP BY r.s))
    GROUP BY piece ORDER BY max(s)`)
  return [...found.slice(0, -1).map(({ upTo }) => upTo), last]
}

/** So many places are named one by one: where there are more, images are small. */
const namedPlaces = 2048

/** The changes that hold values, and no others: a join would hold the images of those, too. */
function sourcesSql(log: CarryInput['log'], resolved: readonly Resolved[]): string {
  const sources = [...new Set(resolved.map(({ from }) => from))]
  if (sources.length === 0) return `${log({ lsns: ['-1'] })}`
  if (sources.length <= namedPlaces)
    return `SELECT * FROM (${log({ lsns: [...new Set(sources.map(lsnOf))] })}) WHERE s IN (${sources.map((s) => `${s}::HUGEINT`).join(', ')})`
  const places = sources.map(BigInt).sort((a, b) => (a < b ? -1 : 1))
  return log({ after: `${places[0]! - 1n}`, upTo: `${places.at(-1)!}` })
}

async function readValues(
  input: CarryInput,
  resolved: readonly Resolved[],
  after: string,
  upTo: string,
): Promise<string> {
  const { session, log } = input
  const [from, to] = [BigInt(after), BigInt(upTo)]
  const some = resolved.filter(({ s }) => BigInt(s) > from && BigInt(s) <= to)
  await session.run(`
    CREATE OR REPLACE TABLE ${carried} AS
    SELECT s, map(list(name), list(value)) AS carried, min(CASE WHEN value IS NULL THEN name END) AS missing
    FROM (SELECT r.s, r.name, l.image ->> r.pointer AS value
      FROM (FROM ${references} WHERE s > ${after}::HUGEINT AND s <= ${upTo}::HUGEINT) AS r
      LEFT JOIN (SELECT s, image FROM (${sourcesSql(log, some)})) AS l ON l.s = r.source)
    GROUP BY s`)
  // An older image may be of a time when the table, or the publication, had fewer columns.
  const missing = await session.all<{ s: string; missing: string }>(
    `SELECT s::VARCHAR AS s, missing FROM ${carried} WHERE missing IS NOT NULL ORDER BY s`,
  )
  await supersede(input, new Map(missing.map((row) => [row.s, row.missing])))
  return carried
}
