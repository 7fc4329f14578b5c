/** Looks at everything that a log of changes needs of its server, one by one, and says what mends it; changes nothing. */
import type pg from 'pg'
import type { CdcSource } from '../../../definition/types.ts'
import { readSlot, type SlotState } from '../continuity.ts'
import type { Cursor } from '../cursor.ts'
import { mib } from '../lag.ts'
import { type Captured, capturedTables, type RowsLeftOut, rowsLeftOut } from '../preflight.ts'
import { openTransactions } from '../slot-wait.ts'
import { type Facts, type FoundTable, factsOf, tablesOf } from './facts.ts'
import { failoverVersion } from './failover.ts'
import { publicationStatements, type Statement, serverStatements, tableStatements } from './statements.ts'

/** How something stands. */
export interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly fix?: string
}

/** What was found. */
export interface Inspection {
  readonly findings: readonly Finding[]
  /** What mends it, in order. */
  readonly statements: readonly Statement[]
  readonly tables: readonly FoundTable[]
  readonly captured: Captured
  readonly slot: SlotState | undefined
}

/**
 * Looks.
 *
 * @example const { findings, statements } = await inspect(client, source, cursor)
 * @param cursor the log's, by which tables are known that have another name now
 */
export async function inspect(client: pg.Client, source: CdcSource, cursor?: Cursor): Promise<Inspection> {
  const facts = await factsOf(client)
  const captured = await capturedTables(client, source, cursor)
  const tables = await tablesOf(client, source, captured)
  const slot = await readSlot(client, source.slot)
  const open = slot === undefined ? await openTransactions(client) : []
  return {
    ...{ tables, captured, slot },
    findings: [
      ...serverFindings(facts, slot),
      ...(source.failover ? [failoverFinding(facts, slot)] : []),
      publicationFinding(source, captured),
      diskFinding(source, facts),
      ...tables.flatMap((table) => tableFindings(table)),
      ...rowsLeftOut(source, captured).map(leftOutFinding),
      ...(slot === undefined ? [] : [slotFinding(slot)]),
      ...(open.length === 0 ? [] : [openFinding(open)]),
    ],
    statements: [
      ...serverStatements(facts),
      ...publicationStatements(source, facts, captured, tables),
      ...tableStatements(facts, tables),
    ],
  }
}

const finding = (
  name: string,
  isFine: boolean,
  detail: string,
  fix: string,
  level: 'warn' | 'fail' = 'fail',
): Finding => (isFine ? { name, status: 'ok', detail } : { name, status: level, detail, fix })

function serverFindings(facts: Facts, slot: SlotState | undefined): readonly Finding[] {
  const { version, walLevel, mayReplicate, user, freeSlots, freeSenders } = facts
  const restart = 'and start the server again'
  return [
    finding(
      'version',
      version >= 140_000,
      `PostgreSQL ${Math.floor(version / 10_000)}`,
      'Version 14 or later is needed.',
    ),
    finding(
      'wal_level',
      walLevel === 'logical',
      walLevel,
      `Set wal_level = logical (on RDS: rds.logical_replication = 1) ${restart}.`,
    ),
    finding(
      'rights',
      mayReplicate,
      mayReplicate ? `${user} may replicate` : `${user} may not replicate`,
      'Grant the attribute REPLICATION (on RDS: the role rds_replication).',
    ),
    // A slot that is there needs no room.
    ...(slot === undefined
      ? [
          finding(
            'max_replication_slots',
            freeSlots > 0,
            `${freeSlots} free`,
            `Raise max_replication_slots ${restart}.`,
          ),
        ]
      : []),
    finding('max_wal_senders', freeSenders > 1, `${freeSenders} free`, `Raise max_wal_senders ${restart}.`),
  ]
}

function failoverFinding({ version }: Facts, slot: SlotState | undefined): Finding {
  const detail =
    version < failoverVersion
      ? `PostgreSQL ${Math.floor(version / 10_000)} has no slots that standbys take over`
      : slot?.isFailover === false
        ? 'standbys do not take the slot over yet: the next run lets them'
        : 'standbys take the slot over'
  return finding(
    'failover',
    version >= failoverVersion,
    detail,
    'Version 17 or later is needed, or leave `failover` out.',
  )
}

/** What an unread slot may fill: as much as the server lets it, or all of its disk. */
function diskFinding({ lag: { alertBytes } }: CdcSource, { keepSize, freeDisk }: Facts): Finding {
  const isLimited = keepSize !== '-1'
  const free = freeDisk === undefined ? [] : [`${mib(freeDisk)} free`]
  const limit = isLimited ? `slots keep at most ${keepSize}` : 'slots keep as much as is not read'
  const limited = `ALTER SYSTEM SET max_slot_wal_keep_size = '${Math.ceil((2 * alertBytes) / 2 ** 20)}MB'; SELECT pg_reload_conf()`
  return finding(
    'disk',
    freeDisk === undefined ? isLimited : freeDisk > 2 * alertBytes,
    [...free, `${limit} (max_slot_wal_keep_size)`].join('; '),
    isLimited
      ? `Make room for twice lag.alertBytes (${mib(2 * alertBytes)}), or lower that.`
      : `A slot that nobody reads fills the disk, and the server stops. Limit it: ${limited} (on RDS: in the parameter group). Beyond that the slot is lost, and sluice cdc resnapshot finds what is missing.`,
    'warn',
  )
}

function publicationFinding({ publication }: CdcSource, { misfits, beside }: Captured): Finding {
  const name = `publication ${publication}`
  const more = beside.length > 3 ? `, and ${beside.length - 3} more` : ''
  const idle = beside.length === 0 ? '' : `, and for nobody: ${beside.slice(0, 3).join(', ')}${more}`
  return misfits.length === 0
    ? { name, status: 'ok', detail: `publishes what is captured${idle}` }
    : { name, status: 'fail', detail: misfits.join('; '), fix: 'Run the statements of: sluice cdc setup' }
}

function tableFindings({ table, exists, access, hasIdentity }: FoundTable): readonly Finding[] {
  if (!exists)
    return [{ name: table, status: 'fail', detail: 'it is not there', fix: 'Correct `tables` of the source.' }]
  const wrong = [
    ...(access.schema ? [] : ['this user has not USAGE of its schema']),
    ...(access.rows ? [] : ['this user has not SELECT of it']),
    ...(access.isFiltered ? ['row-level security hides rows of it from this user'] : []),
    ...(hasIdentity ? [] : ['it has no primary key and no other replica identity']),
  ]
  return wrong.length === 0
    ? []
    : [{ name: table, status: 'fail', detail: wrong.join('; '), fix: 'Run the statements of: sluice cdc setup' }]
}

function leftOutFinding({ table, why, isDeclared }: RowsLeftOut): Finding {
  return isDeclared
    ? { name: table, status: 'ok', detail: why }
    : { name: table, status: 'warn', detail: why, fix: 'Add them to `tables` of the source and to the publication.' }
}

/** A slot begins where all of them have ended. */
function openFinding(open: readonly string[]): Finding {
  const more = open.length > 5 ? `; and ${open.length - 5} more` : ''
  return {
    ...{ name: 'open transactions', status: 'warn', detail: `${open.slice(0, 5).join('; ')}${more}` },
    fix: 'The next run makes its slot, and waits for them to end: COMMIT, ROLLBACK, COMMIT PREPARED or ROLLBACK PREPARED.',
  }
}

function slotFinding(slot: SlotState): Finding {
  const name = `slot ${slot.slot}`
  const lost = slot.invalidation ?? (slot.walStatus === 'lost' ? 'the log that it needs is removed' : undefined)
  const fix = 'Find what is missing: sluice cdc resnapshot'
  if (lost !== undefined) return { name, status: 'fail', detail: `lost: ${lost}`, fix }
  const left = slot.safeBytes === undefined ? '' : `, and it is lost after ${mib(slot.safeBytes)} more`
  const detail = `${slot.walStatus}; the server keeps ${mib(slot.keptBytes)} of its log for it${left}`
  if (slot.walStatus === 'unreserved')
    return { name, status: 'warn', detail, fix: 'It is about to be lost: run now, and raise max_slot_wal_keep_size.' }
  return { name, status: 'ok', detail }
}
