/** 32xx: change data capture. */
import { entry } from './entry.ts'

const kept = 'Nothing that was committed has changed, and the slot keeps what was not.'

/** Errors of change data capture. */
export const cdcErrors = {
  'Source.ChangeProtocol': entry<{ why: string; message: string; bytes: number }>({
    code: 'SLU3201',
    title: 'A change message cannot be understood.',
    message: ({ why, message, bytes }) =>
      `The server sent a change message (${message}, ${bytes} bytes) that cannot be decoded without loss: ${why}.`,
    hint: () => `${kept} Nothing of this transaction was published. Please report it with: sluice runs logs`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault CD-26. No length in a message is believed beyond the frame it came in; of the values themselves nothing is shown.',
  }),
  'Source.ChangeTwoPhase': entry<{ message: string }>({
    code: 'SLU3202',
    title: 'The slot sends prepared transactions.',
    message: ({ message }) =>
      `The slot sent a message of two-phase commit (${message}); it must not be created with TWO_PHASE, so that a prepared transaction comes when it is committed.`,
    hint: () => `${kept} Create the slot without TWO_PHASE, then: sluice cdc resnapshot`,
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault CD-21.',
  }),
  'Source.ChangeText': entry<{ table: string; column: string }>({
    code: 'SLU3203',
    title: 'A changed value is no text.',
    message: ({ table, column }) =>
      `A value of ${column === '' ? table : `"${column}" of ${table}`} is not valid UTF-8; it cannot be kept exactly as text.`,
    hint: () =>
      `${kept} Find the row in the source and repair it, or take the table out of \`tables\`, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Happens with databases in SQL_ASCII, whose texts nobody checks.',
  }),
  'Source.ChangeSpillLimit': entry<{ xid: number; bytes: number; limit: number }>({
    code: 'SLU3204',
    title: 'A transaction is larger than may be kept on disk.',
    message: ({ xid, bytes, limit }) =>
      `Transaction ${xid} would take ${bytes} bytes on disk before its commit; the limit is ${limit}.`,
    hint: () => `${kept} Raise \`spillBytes\` of the source (the disk must have the room), then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault CD-22. Transactions beyond the memory limit are kept in files until they commit, and those have a limit, too.',
  }),
  'Source.ChangeSequence': entry<{ why: string }>({
    code: 'SLU3205',
    title: 'Changes came in an impossible order.',
    message: ({ why }) => `The server sent changes in an order that its protocol does not allow: ${why}.`,
    hint: () => `${kept} The stream is read again from the last committed position by: sluice retry`,
    retry: 'transient',
    exit: 1,
    explanation: 'Fault CD-26.',
  }),
  'Source.SlotBusy': entry<{ slot: string; pid: string }>({
    code: 'SLU3206',
    title: 'A replication slot is in use.',
    message: ({ slot, pid }) => `The slot "${slot}" is being read by another process of the server (${pid}).`,
    hint: () => `${kept} It is not taken away from its reader. When that has ended, run: sluice retry`,
    retry: 'transient',
    exit: 5,
    explanation: 'Fault CD-07.',
  }),
  'Source.SlotLost': entry<{ slot: string; why: string; position: string }>({
    code: 'SLU3207',
    title: 'A replication slot is lost.',
    message: ({ slot, why, position }) =>
      `The slot "${slot}" can no longer be read (${why}): changes after ${position} may be missing.`,
    hint: () =>
      'What was committed stays as it is. To find what is missing, deletes included, run: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation: 'Faults CD-05 and CD-06. A table is never copied anew in silence.',
  }),
  'Source.SlotAhead': entry<{ slot: string; confirmed: string; position: string }>({
    code: 'SLU3208',
    title: 'A replication slot is ahead of what was committed.',
    message: ({ slot, confirmed, position }) =>
      `The slot "${slot}" has been confirmed up to ${confirmed}, but only changes up to ${position} are committed: those between the two will not come again.`,
    hint: () =>
      'What was committed stays as it is. To find what is missing, deletes included, run: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault CD-06: somebody else has read the slot, or it was created anew.',
  }),
  'Source.ServerChanged': entry<{ connection: string; expected: string; found: string }>({
    code: 'SLU3209',
    title: 'The server is another one.',
    message: ({ connection, expected, found }) =>
      `The connection "${connection}" reaches ${found}; the committed changes are from ${expected}. Positions of one do not mean anything on the other.`,
    hint: () => 'What was committed stays as it is. If the change was intended, run: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault CD-08: fail-over, restore from a backup, or a changed connection.',
  }),
  'Source.StreamLost': entry<{ connection: string; why: string }>({
    code: 'SLU3210',
    title: 'The stream of changes was interrupted.',
    message: ({ connection, why }) => `The stream of changes from the connection "${connection}" ended: ${why}.`,
    hint: () => `${kept} It is taken up after the last committed transaction by: sluice retry`,
    retry: 'transient',
    exit: 3,
    explanation: 'Faults CD-01, CD-02 and CD-03: what comes again is known by its position and skipped.',
  }),
  'Source.StreamRefused': entry<{ connection: string; code: string; why: string }>({
    code: 'SLU3211',
    title: 'The server refused a command of replication.',
    message: ({ connection, code, why }) =>
      `The server of the connection "${connection}" refused to replicate (${code}): ${why}.`,
    hint: () => `${kept} See what is missing, and the statements that fix it: sluice doctor`,
    retry: 'terminal',
    exit: 3,
  }),
  'Source.SnapshotLost': entry<{ table: string; why: string }>({
    code: 'SLU3212',
    title: 'The initial copy was interrupted.',
    message: ({ table, why }) =>
      `The initial copy of ${table} was interrupted: ${why}. Its point in time exists only while its connection is open.`,
    hint: () =>
      'Nothing of it was published. Tables that were copied as a whole are kept; the others are copied at a later point by: sluice retry',
    retry: 'transient',
    exit: 3,
    explanation:
      'Fault CD-25. A connection that is lost is made again, and its chunk is copied again, as long as the connection that exported the point is open. After that, each table that is whole is kept, with the slot, whose stream has what happens to it from there on; `sluice cdc status` says how many they are. A table that was under way begins again.',
  }),
  'Source.ChangeKey': entry<{ table: string; why: string }>({
    code: 'SLU3213',
    title: 'A change does not say which row it is of.',
    message: ({ table, why }) => `A change of ${table} does not name its row: ${why}.`,
    hint: ({ table }) =>
      `${kept} On the server run: ALTER TABLE ${table} REPLICA IDENTITY FULL. Then: sluice cdc resnapshot`,
    retry: 'terminal',
    exit: 3,
    explanation: 'Faults CD-10, CD-11 and CD-14.',
  }),
  'Source.PublicationUnfit': entry<{ connection: string; publication: string; why: readonly string[] }>({
    code: 'SLU3214',
    title: 'A publication does not publish what is captured.',
    message: ({ connection, publication, why }) =>
      `The publication "${publication}" of the connection "${connection}" cannot be read: ${why.join('; ')}.`,
    hint: () => `${kept} See the statements that fix it, and run them with --yes: sluice cdc setup`,
    retry: 'terminal',
    exit: 3,
    explanation:
      'Faults CD-27 and CD-28. A partitioned table is published under its own name where the publication has publish_via_partition_root.',
  }),
  'Source.PublicationChanged': entry<{ connection: string; publication: string; table: string }>({
    code: 'SLU3215',
    title: 'A publication was altered.',
    message: ({ connection, publication, table }) =>
      `What the publication "${publication}" of the connection "${connection}" publishes of ${table} (its operations, rows or columns) is not what it was: changes may be missing since.`,
    hint: () => 'What was committed stays as it is. To find what is missing, run: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation: 'Faults CD-27 and CD-28.',
  }),
  'Source.ReplicaIdentity': entry<{ table: string }>({
    code: 'SLU3216',
    title: 'Nothing names the rows of a table.',
    message: ({ table }) =>
      `The table ${table} has no primary key and no other replica identity: nobody could tell which row was updated or deleted.`,
    hint: ({ table }) =>
      `Nothing was read. Give it a primary key, or run on the server: ALTER TABLE ${table} REPLICA IDENTITY FULL. Then: sluice run`,
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault CD-14.',
  }),
  'Source.TableNotCopied': entry<{ table: string }>({
    code: 'SLU3217',
    title: 'A table is captured that was never copied.',
    message: ({ table }) => `The table ${table} is captured now, but its rows up to now are not in the log.`,
    hint: ({ table }) => `${kept} Copy it at a point of the stream: sluice cdc resnapshot <source> ${table}`,
    retry: 'terminal',
    exit: 3,
  }),
  'Source.SlotForeign': entry<{ slot: string; connection: string }>({
    code: 'SLU3218',
    title: "A replication slot is not this project's.",
    message: ({ slot, connection }) =>
      `The server of the connection "${connection}" has a slot "${slot}" that this project has not made (or has removed since): another project may need it.`,
    hint: () =>
      'Nothing was read or removed. Choose another `slot` for the source; remove that one with the program that created it.',
    retry: 'terminal',
    exit: 3,
    explanation:
      'Fault CD-07: a slot has one reader. Which slots a project has made is in its state; their names are shared by all databases of a server.',
  }),
  'Source.ChangeStall': entry<{ slot: string; position: string; server: string; seconds: number }>({
    code: 'SLU3219',
    title: 'The stream of changes does not move.',
    message: ({ slot, position, server, seconds }) =>
      `The server is at ${server}, and nothing came from its slot "${slot}" for ${seconds} seconds; ${position} was reached.`,
    hint: () => `${kept} Read on: sluice retry`,
    retry: 'transient',
    exit: 3,
    explanation: 'Fault CD-30: no rows is a success only where the server says that there are none.',
  }),
  'Source.TableWaits': entry<{ table: string }>({
    code: 'SLU3220',
    title: 'The changes of a table wait.',
    message: ({ table }) =>
      `The table ${table} has changed in a way that its earlier rows do not follow (a dropped or retyped column, one added with a default, another key, a TRUNCATE): its changes are kept in the log, and wait.`,
    hint: () =>
      'The other tables go on. See what happened: sluice cdc status. Fix what the definition says of the table, then take what waits: sluice cdc accept, then sluice run. Where a column was added with a default, or has another type, earlier rows differ: sluice cdc resnapshot brings their values',
    retry: 'terminal',
    exit: 1,
    explanation:
      'Faults CD-15, CD-16 and CD-17. A column that was renamed has two names in the log: declare both, nullable, and make one of them by a transform, coalesce(new, old). One that is gone is made nullable, one of another type is declared as it is now. What is accepted before the definition fits may wait in quarantine.',
  }),
  'Source.LogMissing': entry<{ table: string }>({
    code: 'SLU3221',
    title: 'A log of changes has no version yet.',
    message: ({ table }) => `The log ${table} has no version yet: there is nothing to compare with, or to accept.`,
    hint: () => 'Nothing was changed. Make its first copy: sluice run',
    retry: 'terminal',
    exit: 1,
  }),
  'Source.PositionBehind': entry<{ table: string; position: string; found: string }>({
    code: 'SLU3222',
    title: "Another server's positions are behind those of the log.",
    message: ({ table, position, found }) =>
      `The log ${table} ends at ${position}, and this server is at ${found}: what it sends would stand before what is in the log.`,
    hint: () => 'What was committed stays as it is. Capture this server into a log of another name.',
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault CD-08: a fail-over that lost transactions, or a server that was restored or made anew.',
  }),
  'Source.FarBehind': entry<{
    slot: string
    behind: string
    since: string
    kept: string
    passed: readonly string[]
    isHeld: boolean
  }>({
    code: 'SLU3223',
    title: 'A log of changes is far behind its server.',
    message: ({ slot, behind, since, kept, passed }) =>
      `The slot "${slot}" was ${behind}${since} behind when its reading began, and the server keeps ${kept} of its log for it: more than ${passed.join(' and ')}.`,
    hint: ({ isHeld }) =>
      `Nothing is lost, but the server's disk fills until it is read. ${
        isHeld
          ? 'What is kept is held by a transaction that has not ended: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start'
          : 'Read it: sluice run, more often or as sluice watch. A slot that nobody will read again: sluice cdc drop'
      }. Other limits are set by \`lag\` of the source.`,
    retry: 'transient',
    exit: 1,
    explanation:
      'Fault CD-23. A slot makes the server keep its log until it is read. Beyond a limit of `lag.warn...` this is a warning of the run; beyond one of `lag.alert...` it is told to the notifiers too, as `alert`, and the run does not fail by it. Either is reported once until the log has caught up, and again after `lag.repeatSeconds`. Where the server limits what slots keep (max_slot_wal_keep_size), a quarter of it is a warning, and none left is an alert.',
  }),
  'Source.ServerBehind': entry<{ connection: string; position: string; found: string }>({
    code: 'SLU3224',
    title: 'A server is behind what was committed from it.',
    message: ({ connection, position, found }) =>
      `The server of the connection "${connection}" is at ${found}, and changes up to ${position} are committed: it was put back to an earlier state, and what happens on it next would be taken for what is known already.`,
    hint: () =>
      'What was committed stays as it is. Where the server stays as it is now, capture it into a log of another name; or compare once it has passed that position: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation:
      'Fault CD-08. A snapshot of a disk or of a machine that is restored brings the slot along, with the system identifier and the timeline as they were: only the position says that it is another past.',
  }),
  'Source.FailoverUnsupported': entry<{ connection: string; version: number }>({
    code: 'SLU3225',
    title: 'A server has no slots that standbys take over.',
    message: ({ connection, version }) =>
      `The server of the connection "${connection}" is PostgreSQL ${version}, and \`failover: true\` needs 17 or later.`,
    hint: () => `${kept} Leave \`failover\` of the source out, or upgrade the server. Then: sluice run`,
    retry: 'terminal',
    exit: 3,
    explanation:
      'Fault CD-08. On older servers a slot stays on the server that was lost: after a fail-over, compare with sluice cdc resnapshot.',
  }),
  'Source.RowsHidden': entry<{ table: string; connection: string }>({
    code: 'SLU3290',
    title: 'Row-level security hides rows of a captured table.',
    message: ({ table, connection }) =>
      `Row-level security hides rows of ${table} from the user of the connection "${connection}": a copy would have a part of them, and a comparison would delete the others.`,
    hint: () =>
      'Nothing was read of it; other tables go on. On the server run: ALTER ROLE <user> BYPASSRLS (or let the user own the table, without FORCE ROW LEVEL SECURITY). Then: sluice run, and where the table was captured before: sluice cdc resnapshot',
    retry: 'terminal',
    exit: 3,
    explanation:
      'Every session that reads has row_security = off, so that the server refuses to answer with a part. The stream of changes has all rows, whatever the policies say.',
  }),
  'Source.TableDenied': entry<{ table: string; connection: string; why: string }>({
    code: 'SLU3291',
    title: 'A captured table may not be read.',
    message: ({ table, connection, why }) =>
      `The user of the connection "${connection}" may not read ${table}: ${why}.`,
    hint: () =>
      'Nothing was read of it; other tables go on. See the statements that grant it: sluice cdc setup. Then: sluice run, and where other tables were copied already: sluice cdc resnapshot <source> <table>',
    retry: 'terminal',
    exit: 3,
    explanation: 'USAGE of the schema and SELECT of the table are needed for copies; the stream needs neither.',
  }),
  'Source.TableMissing': entry<{ table: string; connection: string; found?: string }>({
    code: 'SLU3292',
    title: 'A captured table is not there.',
    message: ({ table, connection, found }) =>
      found === undefined
        ? `The server of the connection "${connection}" has no table ${table}: it was dropped, renamed or never there.`
        : `The server of the connection "${connection}" sends no changes of ${table}: it is ${found}.`,
    hint: () =>
      'What was committed of it stays as it is; other tables go on. Correct `tables` of the source, or take the table out of it. One that was made again is compared by: sluice cdc resnapshot <source> <table>',
    retry: 'terminal',
    exit: 3,
    explanation: 'A name is compared letter by letter: in "public.Orders" the server distinguishes cases.',
  }),
  'Source.TableStale': entry<{ table: string; why: string }>({
    code: 'SLU3294',
    title: 'Changes of a table were missed.',
    message: ({ table, why }) => `Rows of ${table} have changed, or may have, without a change in the log: ${why}.`,
    hint: ({ table }) =>
      `What was committed stays as it is; other tables go on. To find what was missed, deletes included, run: sluice cdc resnapshot <source> ${table}`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Partitions that are attached, detached, dropped or truncated by themselves change rows of a table that is published as one, and the server publishes nothing of it. A table that another one has taken the name of, or that was not read for a while, has missed what happened meanwhile. A column that is dropped and added again under its name, values that are rewritten by ALTER COLUMN TYPE ... USING, and another name of a value of an enumeration change rows without a change of any row: they are found by the catalog. It is reported with each run until it is compared.',
  }),
  'Source.ServerUnfit': entry<{ table: string; what: string; detail: string }>({
    code: 'SLU3240',
    title: 'A server is not ready for its changes to be captured.',
    message: ({ table, what, detail }) => `${table} cannot be captured as it stands: ${what}: ${detail}.`,
    hint: ({ table }) => `See all of it, and what mends it: sluice cdc status ${table}`,
    retry: 'terminal',
    exit: 3,
    explanation: 'Faults CD-05 to CD-08, CD-14 and CD-28: what would stop a run is found before it.',
  }),
} as const
