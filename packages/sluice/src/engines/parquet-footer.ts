/** What a Parquet file says of itself, without a row being read. */
import { quotePath } from '../sql/quote.ts'
import type { Session } from './engine.ts'

/**
 * Reads how many rows a file has.
 *
 * @example const { rows } = await readFooter(session, '/tmp/part-0.parquet')
 * @throws Engine.Failed where it is no Parquet file
 */
export async function readFooter(session: Pick<Session, 'all'>, file: string): Promise<{ readonly rows: number }> {
  const [footer] = await session.all<{ num_rows: string }>(
    `SELECT num_rows FROM parquet_file_metadata(${quotePath(file)})`,
  )
  return { rows: Number(footer?.num_rows) }
}
