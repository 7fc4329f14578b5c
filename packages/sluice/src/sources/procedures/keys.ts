/** Keys within what one run takes: rows that share one are all refused, since nobody can say which of them is right. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Check, ProcedureSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import type { QuarantineWriter } from '../../quality/quarantine.ts'
import { checkNames } from '../../quality/rules.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'

/** A key whose duplicates are refused row by row. */
export interface CallKey {
  /** The reason that refused rows carry. */
  readonly name: string
  readonly columns: readonly string[]
}

/** The keys of a source: the declared one, then checks that quarantine. */
export function callKeys({ key, checks }: ProcedureSource): readonly CallKey[] {
  const names = checkNames(checks)
  const refuses = (check: Check): boolean =>
    check.severity !== 'warn' && (check.action ?? 'quarantine') === 'quarantine'
  return [
    ...(key === undefined ? [] : [{ name: 'key', columns: key }]),
    ...checks.flatMap((check, place) =>
      check.kind === 'unique' && refuses(check) ? [{ name: names[place] as string, columns: check.columns }] : [],
    ),
  ]
}

const twice = '_sluice_twice'

/**
 * Takes rows whose key comes twice out of written files, into quarantine.
 *
 * @param folder an empty local folder, for files that are written again
 * @returns the files without those rows
 */
export async function refuseTwice(
  session: Session,
  files: readonly WrittenFile[],
  keys: readonly CallKey[],
  quarantine: QuarantineWriter,
  call: string,
  folder: string,
): Promise<readonly WrittenFile[]> {
  let left = files
  for (const [at, key] of keys.entries()) {
    if (left.length > 0) left = await refuseKey(session, left, key, quarantine, call, join(folder, String(at)))
  }
  return left
}

async function refuseKey(
  session: Session,
  files: readonly WrittenFile[],
  { name, columns }: CallKey,
  quarantine: QuarantineWriter,
  call: string,
  folder: string,
): Promise<readonly WrittenFile[]> {
  const names = columns.map(quoteIdentifier)
  const present = names.map((column) => `${column} IS NOT NULL`).join(' AND ')
  const all = readParquetSql(files.map(({ file }) => file))
  await session.run(
    `CREATE OR REPLACE TABLE ${twice} AS SELECT ${names.join(', ')} FROM ${all} WHERE ${present} GROUP BY ALL HAVING count(*) > 1`,
  )
  const isTwice = `(${names.join(', ')}) IN (SELECT (${names.join(', ')}) FROM ${twice})`
  const left: WrittenFile[] = []
  for (const [at, file] of files.entries()) {
    const rows = readParquetSql([file.file])
    const refused = quarantine.rows
    for await (const batch of session.stream(`SELECT COLUMNS(*)::VARCHAR FROM ${rows} WHERE ${isTwice}`)) {
      for (const row of batch as readonly Record<string, string | null>[]) {
        const bytes = Buffer.from(JSON.stringify(row))
        quarantine.add({ file: call, line: 0, record: 0, offset: 0, bytes, reasons: [name], fields: row })
      }
    }
    if (quarantine.rows === refused) left.push(file)
    else if (file.rows > quarantine.rows - refused) {
      const target = join(folder, String(at))
      mkdirSync(target, { recursive: true })
      left.push(...(await session.write(`SELECT * FROM ${rows} WHERE NOT ${isTwice}`, { folder: target })))
    }
  }
  await session.run(`DROP TABLE ${twice}`)
  return left
}
