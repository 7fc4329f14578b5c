/**
 * `incremental`: the version is the whole truth, and exactly the keys whose rows changed are replaced.
 *
 * For each key the warehouse keeps the number of its rows and an order-free fingerprint of them (`sluice.load_keys`). Late rows
 * change the fingerprint of their key, wherever it is; a key that vanished from the version is deleted. A key that did not change
 * is not touched, not even where someone edited its rows in the warehouse.
 *
 * Where it is known which files came and went since the version loaded last, only the keys that have rows there are compared, and of the version
 * only their rows are read.
 */
import { assert } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, type LoadModeEntry, refuseNullKeys, removeRows } from '../load-mode.ts'
import { insertRows } from '../lookups.ts'
import type { Staging } from '../staging.ts'
import { countOf, qualified, requireColumns } from '../statements.ts'
import type { LoadInput } from '../warehouse.ts'

export const incremental: LoadModeEntry = {
  rewrites: true,
  repairs: false,
  deletes: () => true,
  updates: false,
  columns: ({ columns }) => columns,
  companions: () => [],
  findsBy: (load) => (load.mode === 'incremental' ? [load.by] : []),
  async run(context) {
    const { sql, dialect, staging, input, source } = context
    assert(input.load.mode === 'incremental', 'the load is incremental')
    const by = input.load.by
    const known = `${dialect.ownSchema}.load_keys`
    requireColumns(input, [by])
    const moved = context.rebuilt ? undefined : input.moved
    await refuseNullKeys(moved === undefined ? context : { ...context, source: await staging.lake.from(moved.came) }, [
      by,
    ])
    let deleted = 0
    if (context.rebuilt) {
      deleted = await removeRows(context)
      await sql.run(`DELETE FROM ${known} WHERE target = $1`, [input.target])
    }
    await compareKeys(context, { by, known, moved })

    const keys = await staging.lake.all<{ sluice_key: string; sluice_rows: string; unread: boolean }>(
      'SELECT sluice_key, sluice_rows, sluice_rows = 0 AND sluice_gone IS NULL AS unread FROM sluice_delta ORDER BY sluice_key',
    )
    const rows = keys.reduce((sum, key) => sum + Number(key.sluice_rows), 0)
    let inserted = 0
    if (keys.length > 0) {
      const touched = await staging.bring(
        'sluice_touched',
        'SELECT sluice_key, sluice_value, sluice_gone, sluice_rows FROM sluice_delta',
      )
      const gone = keys.some((key) => Number(key.sluice_rows) === 0)
      const unread = keys.some((key) => key.unread)
      for (const one of touchedRows(by, touched, { gone, unread })) deleted += await removeRows(context, one)
      inserted = await insertRows(
        context,
        `${source} AS s WHERE ${quoteIdentifier(by)} IN (SELECT sluice_value FROM sluice_delta WHERE sluice_rows > 0)`,
        rows,
      )
      await sql.run(
        `DELETE FROM ${known} WHERE target = $1 AND key_value IN (SELECT sluice_key FROM ${touched} AS d)`,
        [input.target],
      )
      await staging.insert(
        known,
        ['target', 'key_value', 'row_count', 'fingerprint'],
        `SELECT ${quoteText(input.target)} AS target, sluice_key, sluice_rows, sluice_fingerprint
         FROM sluice_delta WHERE sluice_rows > 0`,
      )
    }
    return {
      read: input.rows,
      inserted,
      updated: 0,
      deleted,
      unchanged: input.rows - inserted,
      rejected: 0,
      keys: keys.map((key) => key.sluice_key),
    }
  },
}

/**
 * The target's rows of the keys that are touched, as conditions, one after the other. Keys are compared as what they are, which lets a
 * warehouse skip what cannot match; only of a key that is gone and no longer reads as its type the text is left.
 */
function touchedRows(by: string, touched: string, some: { gone: boolean; unread: boolean }): readonly string[] {
  const key = qualified(by, 't')
  return [
    `${key} IN (SELECT sluice_value FROM ${touched} AS d WHERE sluice_rows > 0)`,
    ...(some.gone ? [`${key} IN (SELECT sluice_gone FROM ${touched} AS d WHERE sluice_rows = 0)`] : []),
    ...(some.unread
      ? [
          `CAST(${key} AS VARCHAR) IN (SELECT sluice_key FROM ${touched} AS d WHERE sluice_rows = 0 AND sluice_gone IS NULL)`,
        ]
      : []),
  ]
}

/** Makes `sluice_delta` in the lake's session: the keys that are new, changed or gone, with the rows and the fingerprint that they have now. */
async function compareKeys(
  { staging, types, input, source }: LoadContext,
  { by, known, moved }: { readonly by: string; readonly known: string; readonly moved: LoadInput['moved'] },
): Promise<void> {
  const { lake } = staging
  const row = input.columns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const loaded = await staging.fetch(
    'sluice_loaded',
    `SELECT key_value, row_count, fingerprint FROM ${known} WHERE target = ${quoteText(input.target)}`,
  )
  const type = input.columns.find(({ name }) => name === by)!.type
  const among = moved !== undefined && (await findCandidates(lake, { by, type, loaded, moved }))
  const [rows, remembered] = among
    ? [
        `${source} AS s WHERE ${quoteIdentifier(by)} IN (SELECT sluice_value FROM sluice_candidates)`,
        `(SELECT * FROM ${loaded} AS l WHERE key_value IN (SELECT sluice_key FROM sluice_candidates))`,
      ]
    : [`${source} AS s`, loaded]
  await lake.run('DROP TABLE IF EXISTS temp.sluice_delta')
  // What is remembered is the key as text, so that keys of any type share one table; it reads as the target's type, which holds every key's.
  // Of the hashes of a key's rows one is summed in 128 bits, and hashes of them combined by XOR: neither depends on the order of rows.
  await lake.run(
    `CREATE TEMP TABLE sluice_delta AS
     SELECT coalesce(n.sluice_key, o.key_value) AS sluice_key, n.sluice_value AS sluice_value,
            CASE WHEN n.sluice_key IS NULL THEN TRY_CAST(o.key_value AS ${types.get(by.toLowerCase())!}) END AS sluice_gone,
            coalesce(n.sluice_rows, 0) AS sluice_rows, n.sluice_fingerprint AS sluice_fingerprint
     FROM (SELECT CAST(sluice_value AS VARCHAR) AS sluice_key, sluice_value, count(*) AS sluice_rows,
                  CAST(sum(CAST(sluice_hash AS HUGEINT)) AS VARCHAR) || ':' || CAST(bit_xor(hash(sluice_hash)) AS VARCHAR) AS sluice_fingerprint
           FROM (SELECT ${quoteIdentifier(by)} AS sluice_value, hash(${row}) AS sluice_hash FROM ${rows}) AS h
           GROUP BY sluice_value) AS n
     FULL JOIN ${remembered} AS o ON n.sluice_key = o.key_value
     WHERE n.sluice_key IS NULL OR o.key_value IS NULL OR n.sluice_rows <> CAST(o.row_count AS BIGINT) OR n.sluice_fingerprint <> o.fingerprint`,
  )
}

/**
 * Makes `sluice_candidates`: the keys that may have changed. Those of rows that came, and of those known those that may have been in files that went.
 *
 * @returns false where a key does not read back from its text, so that all have to be compared
 */
async function findCandidates(
  lake: Staging['lake'],
  {
    by,
    type,
    loaded,
    moved: { came, went },
  }: {
    readonly by: string
    readonly type: string
    readonly loaded: string
    readonly moved: NonNullable<LoadInput['moved']>
  },
): Promise<boolean> {
  const value = (text: string): string => `TRY_CAST(${text} AS ${type})`
  const inside = went.map(
    ({ min, max }) => `${value('key_value')} BETWEEN ${value(quoteText(min))} AND ${value(quoteText(max))}`,
  )
  await lake.run('DROP TABLE IF EXISTS temp.sluice_candidates')
  await lake.run(
    `CREATE TEMP TABLE sluice_candidates AS
     SELECT sluice_key, ${value('sluice_key')} AS sluice_value
     FROM (SELECT CAST(${quoteIdentifier(by)} AS VARCHAR) AS sluice_key FROM ${await lake.from(came)} AS s
       UNION SELECT key_value FROM ${loaded} AS o WHERE (${[...inside, 'false'].join(' OR ')}) IS NOT FALSE) AS k`,
  )
  const other = 'SELECT count(*) FROM sluice_candidates WHERE CAST(sluice_value AS VARCHAR) IS DISTINCT FROM sluice_key'
  return (await countOf(lake, other)) === 0
}
