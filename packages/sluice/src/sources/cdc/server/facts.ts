/** What a server says of itself, of its user and of the tables that are captured. */
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import type { CdcSource } from '../../../definition/types.ts'
import type { Captured } from '../preflight.ts'
import { accessOf, accessSql, type TableAccess } from '../published-tables.ts'
import { parseTableName } from '../wire/relation.ts'

/** A captured table, as the server has it. */
export interface FoundTable {
  readonly table: string
  readonly exists: boolean
  readonly isPublished: boolean
  readonly isPartitioned: boolean
  readonly isOwned: boolean
  readonly access: TableAccess
  /** Whether something names its rows. */
  readonly hasIdentity: boolean
}

/** What a server says of itself. */
export interface Facts {
  readonly user: string
  readonly version: number
  readonly walLevel: string
  readonly isSuperuser: boolean
  readonly mayReplicate: boolean
  readonly mayCreate: boolean
  readonly keepSize: string
  /** Bytes that are free where the server writes its log; undefined where that cannot be seen from here. */
  readonly freeDisk: number | undefined
  readonly freeSlots: number
  readonly freeSenders: number
}

const factsSql = `
  SELECT current_user AS user, current_setting('server_version_num') AS version, current_setting('wal_level') AS wal_level,
    r.rolsuper AS superuser,
    r.rolsuper OR r.rolreplication OR EXISTS (SELECT 1 FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(current_user, g.oid, 'member')) AS replicate,
    has_database_privilege(current_database(), 'CREATE') AS create,
    current_setting('max_slot_wal_keep_size') AS keep,
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
    current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS slots,
    current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication) AS senders
  FROM pg_roles r WHERE r.rolname = current_user`

/** Asks a server. @example const { version } = await factsOf(client) */
export async function factsOf(client: pg.Client): Promise<Facts> {
  const { rows } = await client.query<{ [column: string]: string }>(factsSql)
  const row = rows[0]!
  return {
    ...{ user: row['user']!, version: Number(row['version']), walLevel: row['wal_level']!, keepSize: row['keep']! },
    ...{
      isSuperuser: row['superuser'] === 't',
      mayReplicate: row['replicate'] === 't',
      mayCreate: row['create'] === 't',
    },
    ...{ freeSlots: Number(row['slots']), freeSenders: Number(row['senders']) },
    freeDisk: isHere(client) ? await freeBytes(row['folder']) : undefined,
  }
}

const isHere = ({ host }: pg.Client): boolean => /^(localhost|127\..*|::1|\/.*)$/.test(host)

/** A server in a container has its folder elsewhere. */
async function freeBytes(folder: string | undefined): Promise<number | undefined> {
  if (folder == null) return undefined
  const found = await statfs(join(folder, 'pg_wal')).catch(() => undefined)
  return found === undefined ? undefined : found.bavail * found.bsize
}

/** Asks for the captured tables. @example const tables = await tablesOf(client, source, captured) */
export async function tablesOf(
  client: pg.Client,
  source: CdcSource,
  captured: Captured,
): Promise<readonly FoundTable[]> {
  const found: FoundTable[] = []
  for (const table of source.tables) {
    const { schema, name } = parseTableName(captured.renamed.get(table) ?? table)
    const { rows } = await client.query<{ [column: string]: string }>(
      `SELECT c.relkind = 'p' AS partitioned, pg_has_role(c.relowner, 'USAGE') AS owned, ${accessSql},
         c.relreplident = 'f' OR EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND
           CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END) AS named
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
      [schema, name],
    )
    const is = (column: string): boolean => rows[0]?.[column] === 't'
    found.push({
      ...{ table, exists: rows.length > 0, isPublished: captured.digests.has(table), isPartitioned: is('partitioned') },
      ...{ isOwned: is('owned'), hasIdentity: is('named') },
      access: accessOf((rows[0] ?? {}) as Parameters<typeof accessOf>[0]),
    })
  }
  return found
}
