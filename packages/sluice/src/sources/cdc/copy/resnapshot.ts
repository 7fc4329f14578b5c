/**
 * Compares whole tables with what the log has of them, and writes what was missed, deletes included (CD-05, CD-06, CD-08).
 *
 * The comparison is at one position: of a new slot that takes the place of a lost one, or of a temporary one, up to which the log was read.
 */

import { turns } from '../../../base/queue.ts'
import { jsonPointer, logRowsSql } from '../../../changes/log-rows.ts'
import { printLsn } from '../../../changes/lsn.ts'
import { liveKeysSql } from '../../../changes/truncated.ts'
import { logColumns } from '../../../definition/columns.ts'
import type { CdcSource } from '../../../definition/types.ts'
import type { Session } from '../../../engines/engine.ts'
import { Utf8Column } from '../../../engines/utf8-column.ts'
import type { NewFile } from '../../../lake/lake.ts'
import { quoteIdentifier, quoteText } from '../../../sql/quote.ts'
import { shapeDigest } from '../cursor.ts'
import { partitionColumns } from '../log-parts.ts'
import { type CopiedRow, later, logFiles, type Point } from '../log-writer.ts'
import type { Published, PublishedTable } from '../published-tables.ts'
import { addImage, addKey } from '../wire/image.ts'
import type { Micros } from '../wire/pgoutput.ts'
import { relationShape } from '../wire/relation.ts'
import type { CopySink } from './snapshot.ts'

const [copied, compared] = ['resnapshot_copied', 'resnapshot_compared']

/** Where copied rows wait to be compared. */
export interface CopyStage extends CopySink {
  /** When the copy was taken; once it is. */
  readonly point: Point | undefined
}

/**
 * Makes a place for copied rows.
 *
 * @example const stage = await copyStage(session, (table, rows) => …)
 */
export async function copyStage(
  session: Session,
  onRows: (event: { readonly table: string; readonly rows: number }) => void = () => {},
): Promise<CopyStage> {
  await session.run(`CREATE OR REPLACE TABLE ${copied} (chunk VARCHAR, t VARCHAR, key VARCHAR, image VARCHAR)`)
  const turn = turns()
  let point: Point | undefined
  let chunks = 0
  const counts = new Map<string, number>()
  return {
    get point() {
      return point
    },
    addShape(_, at) {
      point ??= at
    },
    async openChunk(table) {
      const chunk = `${chunks++}`
      let rows: CopiedRow[] = []
      let [bytes, count] = [0, 0]
      const drain = (): Promise<void> =>
        turn(async () => {
          const batch = rows
          rows = []
          bytes = 0
          const [keys, images] = [new Utf8Column(), new Utf8Column()]
          for (const { image } of batch) {
            addKey(keys, image)
            addImage(images, image)
          }
          const columns = [batch.map(() => chunk), batch.map(() => table), keys, images]
          if (batch.length > 0) session.append(copied, columns, batch.length)
          count += batch.length
          onRows({ table, rows: (counts.get(table) ?? 0) + count })
        })
      return {
        addCopied(row) {
          rows.push(row)
          if (row.image !== undefined) bytes += row.image.end - row.image.start
          return rows.length >= 2048 || bytes > 4 << 20
        },
        drain,
        async keep() {
          await drain()
          counts.set(table, (counts.get(table) ?? 0) + count)
        },
        discard: () => turn(() => session.run(`DELETE FROM ${copied} WHERE chunk = ${quoteText(chunk)}`)),
      }
    },
  }
}

/** What is compared. */
export interface CompareInput {
  readonly session: Session
  readonly source: Pick<CdcSource, 'partitionBy'>
  /** A SELECT of the log up to the position. */
  readonly log: string
  readonly tables: readonly PublishedTable[]
  readonly types: Published['types']
  /** Tables of which the log has nothing that holds. */
  readonly fresh: ReadonlySet<string>
  readonly at: Point
  readonly effectiveAt: Micros
  /** Digests of the shapes that the log holds. */
  readonly shapes: { readonly [table: string]: string }
  /** An empty local folder on the lake's device. */
  readonly folder: string
}

/** What was missed of a table. */
export interface MissedChanges {
  readonly table: string
  /** Rows that the server has. */
  readonly rows: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** What was written. */
export interface Compared {
  readonly files: readonly NewFile[]
  readonly rows: number
  readonly tables: readonly MissedChanges[]
  readonly effectiveAt: Micros
  readonly shapes: { readonly [table: string]: string }
}

/**
 * Compares what {@link copyStage} has with the log, and writes what is different.
 *
 * A row whose last change left out a large value is written anyway: the log alone does not say whether it is the same.
 *
 * @example const { files, tables } = await writeMissed({ session, source, log, tables, types, fresh, at, effectiveAt, shapes, folder })
 */
export async function writeMissed(input: CompareInput): Promise<Compared> {
  const { session, source, at, tables, types, folder } = input
  await session.run(
    `CREATE OR REPLACE TABLE ${compared} (t VARCHAR, op VARCHAR, key VARCHAR, before VARCHAR, after VARCHAR)`,
  )
  const shapes = { ...input.shapes }
  for (const { relation } of tables) {
    const shape = relationShape(relation, types)
    if (shapes[relation.table] === shapeDigest(shape)) continue
    shapes[relation.table] = shapeDigest(shape)
    await session.run(
      `INSERT INTO ${compared} VALUES (${quoteText(relation.table)}, 'R', NULL, NULL, ${quoteText(shape)})`,
    )
  }
  for (const table of tables) await compareTable(input, table)
  const counts = await session.all<Record<string, string>>(
    `SELECT t, op, count(*) AS n FROM ${compared} GROUP BY ALL UNION ALL SELECT t, 'all', count(*) FROM ${copied} GROUP BY ALL`,
  )
  const effectiveAt = later(at.committedAt, input.effectiveAt)
  const partitionBy = partitionColumns(source.partitionBy)
  const written = await session.write(missedSql(at, effectiveAt, source), { folder, partitionBy, ordered: true })
  const full = written.filter(({ rows }) => rows > 0)
  const count = (table: string, ...ops: readonly string[]): number =>
    counts.reduce((sum, row) => (row['t'] === table && ops.includes(row['op']!) ? sum + Number(row['n']) : sum), 0)
  return {
    files: logFiles(full, source.partitionBy),
    rows: full.reduce((sum, { rows }) => sum + rows, 0),
    tables: tables.map(({ relation: { table } }) => ({
      ...{ table, rows: count(table, 'all'), inserted: count(table, 'I', 'S') },
      ...{ updated: count(table, 'U'), deleted: count(table, 'D') },
    })),
    ...{ effectiveAt, shapes },
  }
}

async function compareTable({ session, log, fresh }: CompareInput, { relation }: PublishedTable): Promise<void> {
  const name = quoteText(relation.table)
  const rows = `SELECT key, image FROM ${copied} WHERE t = ${name}`
  const hasKey = relation.replicaIdentity !== 'full' || relation.key.length < relation.columns.length
  if (fresh.has(relation.table) || !hasKey) {
    // Rows that nothing tells apart cannot be compared one by one.
    if (!fresh.has(relation.table)) await session.run(`INSERT INTO ${compared} VALUES (${name}, 'T', NULL, NULL, NULL)`)
    await session.run(`INSERT INTO ${compared} SELECT ${name}, 'S', key, NULL, image FROM (${rows})`)
    return
  }
  const key = relation.key.map((place) => relation.columns[place]!.name)
  const held = logRowsSql(log, { table: relation.table, key })
  const members = key.map((one, at) => `${quoteText(one)}, ${key.length === 1 ? 'h.k' : `(h.k ->> '/${at}')`}`)
  await session.run(`
    INSERT INTO ${compared}
    WITH live AS (${liveKeysSql(held)}),
      held AS (SELECT live.k, r.image, r.unchanged FROM live JOIN (${held}) AS r ON r.s = live.s),
      now AS (SELECT ${keyOf(key, 'key')} AS k, key, image FROM (${rows}))
    SELECT ${name}, CASE WHEN now.k IS NULL THEN 'D' WHEN h.k IS NULL THEN 'I' ELSE 'U' END,
      CASE WHEN now.k IS NULL THEN json_object(${members.join(', ')})::VARCHAR ELSE now.key END,
      CASE WHEN now.k IS NULL THEN json_object(${members.join(', ')})::VARCHAR END, now.image
    FROM held AS h FULL JOIN now ON now.k = h.k
    WHERE h.k IS NULL OR now.k IS NULL OR h.unchanged IS NOT NULL OR h.image <> now.image`)
}

/** A key as `logRowsSql` writes it. */
function keyOf(key: readonly string[], image: string): string {
  const parts = key.map((name) => `(${image} ->> ${quoteText(jsonPointer(name))})`)
  return parts.length === 1 ? parts[0]! : `json_array(${parts.join(', ')})::VARCHAR`
}

/** What was missed, as rows of the log; shapes and truncates first. */
function missedSql(at: Point, effectiveAt: Micros, { partitionBy }: Pick<CdcSource, 'partitionBy'>): string {
  const committed = `make_timestamp(${at.committedAt}::BIGINT)`
  const values: { readonly [column: string]: string } = {
    _table: 't',
    _op: 'op',
    _xid: 'NULL::BIGINT',
    _lsn: `${at.lsn}::BIGINT`,
    _position: quoteText(printLsn(at.lsn)),
    _seq: `row_number() OVER (ORDER BY CASE op WHEN 'R' THEN 0 WHEN 'T' THEN 1 ELSE 2 END, t, op, key) - 1`,
    _committed_at: `make_timestamptz(${at.committedAt}::BIGINT)`,
    _effective_at: `make_timestamptz(${effectiveAt}::BIGINT)`,
    key: 'key',
    before: 'before',
    after: 'after',
    _unchanged: 'NULL::VARCHAR',
    _date: `${committed}::DATE`,
    _hour: `hour(${committed})::INTEGER`,
  }
  const columns = logColumns(partitionBy).map(({ name }) => `${values[name]} AS ${quoteIdentifier(name)}`)
  return `SELECT ${columns.join(', ')} FROM ${compared} ORDER BY _seq`
}
