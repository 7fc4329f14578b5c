/** What a dimension is made of: its snapshots as the last load left them, in a table beside it that changes in the transaction of the load. */
import { digest } from '../../base/json.ts'
import { quoteText } from '../../sql/quote.ts'
import type { LoadContext } from '../load-mode.ts'
import { countOf } from '../statements.ts'
import { ownTable, type Scd2Shape } from './shape.ts'
import type { JudgedSnapshot } from './snapshot-set.ts'

/** Rows of a statement that writes: more would make it longer than servers like. */
const rowsAtOnce = 500

const tableOf = ({ input, dialect }: LoadContext): string => ownTable('scd2_snapshots', input.target, dialect)

/** The snapshots that the dimension shows; none where it is empty or the load has other columns now, so that it is made again as a whole. */
export async function knownSnapshots(context: LoadContext, shape: Scd2Shape): Promise<readonly JudgedSnapshot[]> {
  const { sql, input, added } = context
  await sql.run(
    `CREATE TABLE IF NOT EXISTS ${tableOf(context)} (taken BIGINT NOT NULL, instant VARCHAR NOT NULL, key_count BIGINT NOT NULL,
       refused BIGINT NOT NULL, digest VARCHAR NOT NULL, counts BOOLEAN NOT NULL, definition VARCHAR NOT NULL)`,
  )
  const isWhole = input.snapshots?.whole === true || input.rewrite === true || added.length > 0
  const rows = isWhole || (await isEmpty(context)) ? [] : await readRows(context)
  const definition = definitionOf(context, shape)
  return rows.flatMap((row) =>
    row.definition === definition
      ? [
          {
            ...{
              at: BigInt(row.taken),
              instant: row.instant,
              keys: Number(row.key_count),
              refused: Number(row.refused),
            },
            ...{ digest: row.digest, counts: Number(row.counts) === 1 },
          },
        ]
      : [],
  )
}

/** Whether the target was made by this load. */
async function isEmpty({ sql, target }: LoadContext): Promise<boolean> {
  return (await countOf(sql, `SELECT count(*) FROM (SELECT 1 FROM ${target} LIMIT 1) AS t`)) === 0
}

interface Row {
  readonly taken: string
  readonly instant: string
  readonly key_count: string
  readonly refused: string
  readonly digest: string
  readonly counts: string
  readonly definition: string
}

async function readRows(context: LoadContext): Promise<readonly Row[]> {
  return context.sql.all<Row>(
    `SELECT taken, instant, key_count, refused, digest, CASE WHEN counts THEN 1 ELSE 0 END AS counts, definition
     FROM ${tableOf(context)} ORDER BY taken`,
  )
}

/** What else than the snapshots the dimension is a function of. */
function definitionOf({ input }: LoadContext, { tracked }: Scd2Shape): string {
  return digest({ definition: input.definition, columns: input.columns, tracked })
}

/** Keeps the snapshots as they are now; rows are written of those that are new or other ones. */
export async function keepSnapshots(
  context: LoadContext,
  shape: Scd2Shape,
  known: readonly JudgedSnapshot[],
  now: readonly JudgedSnapshot[],
): Promise<void> {
  const { sql } = context
  const table = tableOf(context)
  const was = new Map(known.map((one) => [one.at, one]))
  const is = new Set(now.map(({ at }) => at))
  const isSame = ({ at, digest: content, counts }: JudgedSnapshot): boolean =>
    was.get(at)?.digest === content && was.get(at)?.counts === counts
  const written = now.filter((one) => !isSame(one))
  const gone = [...known.filter(({ at }) => !is.has(at)), ...written].map(({ at }) => String(at))
  // What is not known may be of another definition.
  if (known.length === 0) await sql.run(`DELETE FROM ${table}`)
  else for (const some of pieces(gone)) await sql.run(`DELETE FROM ${table} WHERE taken IN (${some.join(', ')})`)
  const definition = quoteText(definitionOf(context, shape))
  for (const some of pieces(written)) {
    const values = some.map(
      (one) =>
        `(${one.at}, ${quoteText(one.instant)}, ${one.keys}, ${one.refused}, ${quoteText(one.digest)}, ${one.counts}, ${definition})`,
    )
    await sql.run(
      `INSERT INTO ${table} (taken, instant, key_count, refused, digest, counts, definition) VALUES ${values.join(', ')}`,
    )
  }
}

function pieces<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / rowsAtOnce) }, (_, at) =>
    all.slice(at * rowsAtOnce, (at + 1) * rowsAtOnce),
  )
}
