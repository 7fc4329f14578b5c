/** 6xxx: warehouses and loads. Every one of them leaves the target as it was: a load is one transaction. */
import { entry } from './entry.ts'

const safe = 'Nothing was changed in the warehouse.'

/** Errors of warehouses. */
export const warehouseErrors = {
  'Warehouse.Locked': entry<{ path: string; detail: string }>({
    code: 'SLU6001',
    title: 'Another process has the warehouse open.',
    message: ({ path, detail }) => `Another process has "${path}" open: ${detail}`,
    hint: () => 'Close that process; nothing was changed. Then: sluice run',
    retry: 'transient',
    exit: 5,
  }),
  'Warehouse.Missing': entry<{ path: string }>({
    code: 'SLU6002',
    title: 'There is no warehouse yet.',
    message: ({ path }) => `The warehouse "${path}" does not exist yet: the first load makes it.`,
    hint: () => 'Load it first: sluice run',
    retry: 'terminal',
    exit: 1,
  }),
  'Warehouse.Fenced': entry<{ target: string; token: number; newest: number }>({
    code: 'SLU6003',
    title: 'A newer run has loaded this table.',
    message: ({ target, token, newest }) =>
      `This run holds fencing token ${token}, but "${target}" was already loaded under token ${newest}: another run took over while this one was paused.`,
    hint: () => `${safe} The newer run goes on; look at it with: sluice runs`,
    retry: 'terminal',
    exit: 5,
    explanation: 'Fault WH-04: of two runs, only the one with the newest lease may load.',
  }),
  'Warehouse.Drift': entry<{
    target: string
    mode: string
    rewrites: boolean
    differences: string
    cause: string
    statements: readonly string[]
  }>({
    code: 'SLU6004',
    title: 'The target is not what the load needs.',
    message: ({ target, differences, cause }) =>
      `"${target}" does not fit this load, because ${cause}: ${differences}.`,
    hint: ({ target, mode, rewrites, statements }) =>
      rewrites
        ? `${safe} Change the model back, or let the load make these columns anew and write every row again: sluice run --approve ${target}`
        : `${safe} Decide: change the model back, or alter the target, by a client of the warehouse, so that it fits: ${statements.join('; ')}. Then: sluice run. An approval does not help: ${mode} keeps rows that it cannot write again.`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-13. The columns of the target are compared with those of the load, and with the columns as the last load left them (their fingerprint is in the load ledger). Missing nullable columns and wider types are mended by the load itself. Only a mode that writes every row again can make columns anew by --approve; where the rows are kept (scd2, upsert, append), the target is altered by hand, by the statements of the hint. A column that is missing and one that is too many, of one type, are taken for a renaming: then the values stay.',
  }),
  'Warehouse.TargetVanished': entry<{ target: string; loads: number; ledger: string; again: boolean }>({
    code: 'SLU6005',
    title: 'A table that was loaded is gone.',
    message: ({ target, loads }) =>
      `The ledger has ${loads} loads of "${target}", but the table does not exist any more: someone dropped or renamed it.`,
    hint: ({ target, ledger, again }) =>
      again
        ? `Bring the table back, or let the lake make it again: sluice run --force --select ${target}`
        : `Bring the table back: its history is nowhere else. Or give it up: DELETE FROM ${ledger}.load_ledger WHERE target = '${target}', and the same in ${ledger}.load_keys and ${ledger}.load_batches; of an scd2 load also what ${ledger} has of its observations. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-13.',
  }),
  'Warehouse.KeyNull': entry<{ target: string; columns: string; count: number; samples: string }>({
    code: 'SLU6006',
    title: 'A key is NULL.',
    message: ({ target, columns, count, samples }) =>
      `${count} rows for "${target}" have NULL in ${columns}, so it is unknown which row they mean. The first: ${samples}`,
    hint: () => `${safe} Refuse such rows earlier, with a notNull check on the table that is loaded.`,
    retry: 'terminal',
    exit: 1,
  }),
  'Warehouse.KeyDuplicate': entry<{ target: string; columns: string; count: number; samples: string }>({
    code: 'SLU6007',
    title: 'A key is not unique in the input.',
    message: ({ target, columns, count, samples }) =>
      `${count} values of (${columns}) occur more than once among the rows for "${target}", so it is unknown which row is true. The first: ${samples}`,
    hint: () => `${safe} Make the key unique in the model, or add a unique check to find out where it breaks.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Faults WH-04 and WH-17.',
  }),
  'Warehouse.TargetKeyDuplicate': entry<{ target: string; columns: string; extra: number }>({
    code: 'SLU6008',
    title: 'A key is not unique in the target.',
    message: ({ target, columns, extra }) =>
      `"${target}" itself holds ${extra} rows too many for the keys (${columns}) of this load: it was written by something else than its load.`,
    hint: () => `${safe} Remove the rows that do not belong there. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-04.',
  }),
  'Warehouse.OutOfRange': entry<{ target: string; column: string; type: string; count: number; samples: string }>({
    code: 'SLU6009',
    title: 'Values do not fit the target.',
    message: ({ target, column, type, count, samples }) =>
      `${count} values of "${column}" cannot be held exactly by ${type}, which is the column's type in "${target}": ${samples}`,
    hint: () => `${safe} Nothing is rounded or cut. Widen the column of the target, or cast in the model.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-12.',
  }),
  'Warehouse.RowsDiffer': entry<{ target: string; expected: number; found: number }>({
    code: 'SLU6010',
    title: 'The input has another number of rows than its version.',
    message: ({ target, expected, found }) =>
      `The version to be loaded into "${target}" has ${expected} rows by its record, but ${found} were read.`,
    hint: () => `${safe} A data file may have been altered: sluice doctor`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-18.',
  }),
  'Warehouse.AppendWithoutBatches': entry<{ target: string }>({
    code: 'SLU6011',
    title: 'An append needs batches.',
    message: ({ target }) =>
      `"${target}" is loaded by append, but its table is made anew with each version, so it is unknown which of the rows are new.`,
    hint: () =>
      'Declare the column that names a batch, append({ from, batch }); or load with incremental, upsert or replace.',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-04.',
  }),
  'Warehouse.BatchChanged': entry<{ target: string; batches: string }>({
    code: 'SLU6012',
    title: 'A loaded batch has other rows now.',
    message: ({ target, batches }) =>
      `Batches that "${target}" has already taken in came again with another number of rows: ${batches}.`,
    hint: () => `${safe} An append never rewrites. Load with incremental by the batch column to replace batches.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-04.',
  }),
  'Warehouse.Scd2Conflict': entry<{ target: string; count: number; samples: string; order: string }>({
    code: 'SLU6013',
    title: 'Two different changes of one key at one instant.',
    message: ({ target, count, samples, order }) =>
      `${count} keys of "${target}" have different changes with the same ${order}, so it is unknown which came last. The first: ${samples}`,
    hint: () =>
      `${safe} Declare the column that orders them: scd2({ sequence }). A log that was delivered is never rewritten. Where somebody changed rows of the dimension by hand, remove those versions, and let the lake bring them back: sluice run --force`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-08.',
  }),
  'Warehouse.SnapshotConflict': entry<{ target: string; count: number; samples: string }>({
    code: 'SLU6040',
    title: 'A snapshot has two states of one key.',
    message: ({ target, count, samples }) =>
      `${count} keys of "${target}" have different rows in the snapshot of one instant, so it is unknown which is true. The first: ${samples}`,
    hint: () =>
      `${safe} All rows of an instant together are its snapshot, whatever files they came in. Keep one row of each key and instant in the model, or declare the whole key.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-08.',
  }),
  'Warehouse.SnapshotInstants': entry<{ target: string; column: string; table: string }>({
    code: 'SLU6041',
    title: 'Files cannot be placed among the snapshots.',
    message: ({ target, column, table }) =>
      `Files of ${table} have refused rows, or no rows, and so a say in "${target}", but "${column}" is no date, while their names hold dates: it is unknown which snapshots they are.`,
    hint: ({ column }) => `${safe} Let "${column}" be _file_date itself, as a date. Then: sluice run`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-09: a key whose row was refused is not absent.',
  }),
  'Warehouse.SnapshotReplaced': entry<{ target: string; from: string; source: string }>({
    code: 'SLU6042',
    title: 'A history from snapshots needs all of them.',
    message: ({ target, from, source }) =>
      `"${target}" is made of the snapshots of all instants in ${from}, but ${source} is replaced by each delivery, and holds the newest one alone.`,
    hint: ({ source }) => `Let ${source} append: files(…, { mode: 'append' }). Then: sluice check`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-09.',
  }),
  'Warehouse.SnapshotChanged': entry<{ target: string; source: string }>({
    code: 'SLU6043',
    title: 'A source of snapshots would mix or skip files.',
    message: ({ target, source }) =>
      `All rows of a date are one snapshot for "${target}", but ${source} adds the rows of a file whose name it knows and whose content is new to those that it has, or skips a day that is like an earlier one: the history would be wrong.`,
    hint: ({ source }) =>
      `Let a file of the same name take the place of the earlier one: files(…, { changedContent: 'replace', duplicateContent: 'append' }) in ${source}; or 'error', which refuses a correction by name, with its file in the error folder. Then: sluice check`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-09.',
  }),
  'Warehouse.SnapshotOverwritten': entry<{ target: string; source: string }>({
    code: 'SLU6046',
    title: 'A file of another day would take the place of a snapshot.',
    message: ({ target, source }) =>
      `A file of ${source} takes the place of the earlier one of its name, and no date of the name says which snapshot of "${target}" it is: a name that comes every day would leave the newest day alone.`,
    hint: ({ source }) =>
      `Declare the date in the name: files(…, { fileDate: 'yyyy-MM-dd' }) in ${source}; or refuse what comes again: changedContent: 'error'. Then: sluice check`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-09.',
  }),
  'Warehouse.SnapshotNotHeld': entry<{ target: string; instant: string; held: readonly string[] }>({
    code: 'SLU6045',
    title: 'No snapshot of this instant is held.',
    message: ({ target, instant, held }) =>
      `"${target}" holds no snapshot of ${instant}.${held.length === 0 ? '' : ` It holds: ${held.slice(0, 12).join(', ')}${held.length > 12 ? ', …' : ''}.`}`,
    hint: () => 'A snapshot is held by the load that finds it. See those that are held: sluice accept',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-09.',
  }),
  'Warehouse.Scd2Invariant': entry<{ target: string; broken: string }>({
    code: 'SLU6014',
    title: 'The dimension would break an invariant.',
    message: ({ target, broken }) =>
      `The load of "${target}" was rolled back, because the dimension would have ${broken}.`,
    hint: () =>
      `${safe} Rows of the dimension were probably edited by hand; compare them with the model. If not, please report it.`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-05. Asserted in the transaction of each load: one current row per live key, no overlap, no gap except delete to re-insert, no interval of zero length, unique surrogate keys.',
  }),
  'Warehouse.Scd2Stale': entry<{ target: string; effective: string; newest: string }>({
    code: 'SLU6015',
    title: 'A snapshot is older than the dimension.',
    message: ({ target, effective, newest }) =>
      `This input is a snapshot as of ${effective}, but "${target}" already knows changes up to ${newest}.`,
    hint: () =>
      `${safe} Load versions in their order, or declare scd2({ effective }), so that late changes find their place.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-06.',
  }),
  'Warehouse.Column': entry<{ target: string; column: string; why: string }>({
    code: 'SLU6016',
    title: 'A column of the load cannot be used.',
    message: ({ target, column, why }) => `The load of "${target}" cannot use the column "${column}": ${why}.`,
    hint: () => `${safe} Correct the load in pipeline.ts. Then: sluice check`,
    retry: 'terminal',
    exit: 2,
  }),
  'Warehouse.AppendUndone': entry<{
    target: string
    table: string
    loaded: number
    held: number
    ledger: string
  }>({
    code: 'SLU6017',
    title: 'Rows that were appended have left their table.',
    message: ({ target, table, loaded, held }) =>
      `${loaded} rows were appended to "${target}", but ${table} holds ${held} rows of those versions now: it was rolled back, replaced or made anew since.`,
    hint: ({ target, ledger }) =>
      `${safe} An append never takes rows back. Load with upsert, incremental or replace; or begin again: drop "${target}", DELETE FROM ${ledger}.load_ledger WHERE target = '${target}', the same in ${ledger}.load_batches, then: sluice run`,
    retry: 'terminal',
    exit: 5,
    explanation:
      'Faults WH-04 and WH-18: the rows that loads added are compared with the rows that the table still holds of the versions they loaded.',
  }),
  'Warehouse.NameTooLong': entry<{ target: string; name: string; bytes: number; limit: number }>({
    code: 'SLU6018',
    title: 'A name is longer than the warehouse keeps.',
    message: ({ target, name, bytes, limit }) =>
      `The load of "${target}" has the name "${name}" of ${bytes} bytes; the warehouse keeps ${limit} and would cut the rest in silence.`,
    hint: () => `${safe} Give it a shorter name in the model or the load. Then: sluice check`,
    retry: 'terminal',
    exit: 2,
  }),
  'Warehouse.TypeUnknown': entry<{ type: string; warehouse: string }>({
    code: 'SLU6019',
    title: 'The warehouse has no type for a column.',
    message: ({ type, warehouse }) => `${warehouse} has no type that holds every value of ${type} exactly.`,
    hint: () => `${safe} Cast the column in the model, for example to VARCHAR. Then: sluice run`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault WH-12.',
  }),
  'Warehouse.Busy': entry<{ target: string; why: string }>({
    code: 'SLU6020',
    title: 'Another transaction is in the way of a load.',
    message: ({ target, why }) => `The load of "${target}" gave way to another transaction: ${why}.`,
    hint: () => `${safe} When the other one has ended, run: sluice retry`,
    retry: 'transient',
    exit: 5,
    explanation:
      'Faults WH-04 and WH-14. One load of a target runs at a time. Deadlocks and serialization failures are tried again, whole, up to five times before this is said.',
  }),
  'Warehouse.ConnectionLost': entry<{ target: string; why: string }>({
    code: 'SLU6021',
    title: 'The connection to the warehouse was lost.',
    message: ({ target, why }) => `The connection was lost during the load of "${target}", before its COMMIT: ${why}.`,
    hint: () => `${safe} When the server is up, run: sluice retry`,
    retry: 'transient',
    exit: 3,
    explanation: 'Fault WH-01.',
  }),
  'Warehouse.OutcomeUnknown': entry<{ target: string; why: string }>({
    code: 'SLU6022',
    title: 'It is not known whether a load was committed.',
    message: ({ target, why }) =>
      `The connection was lost at the COMMIT of the load of "${target}", and the server could not be asked for its ledger afterwards: ${why}.`,
    hint: () =>
      'The load happened whole or not at all; the next attempt asks the ledger first, and does nothing twice: sluice retry',
    retry: 'transient',
    exit: 3,
    explanation: 'Fault WH-02.',
  }),
  'Warehouse.Forbidden': entry<{ what: string; user: string; why: string }>({
    code: 'SLU6023',
    title: 'The warehouse login lacks a right.',
    message: ({ what, user, why }) => `The user "${user}" may not do what ${what} takes: ${why}.`,
    hint: ({ user }) =>
      `${safe} A loader needs CREATE and USAGE on the schemas it loads into, and owns its tables: GRANT CREATE, USAGE ON SCHEMA … TO ${user}. Then: sluice retry`,
    retry: 'terminal',
    exit: 3,
  }),
  'Warehouse.Refused': entry<{ target: string; code: string; why: string }>({
    code: 'SLU6024',
    title: 'The warehouse refused a load.',
    message: ({ target, code, why }) => `The warehouse refused the load of "${target}" (${code}): ${why}.`,
    hint: () => `${safe} When its reason is mended, run: sluice retry`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-01: the transaction was rolled back, its ledger row with it.',
  }),
  'Warehouse.DimensionMissing': entry<{ target: string; dimension: string }>({
    code: 'SLU6025',
    title: 'A dimension that is looked up is not there.',
    message: ({ target, dimension }) =>
      `The load of "${target}" looks keys up in "${dimension}", which no scd2 load has made in this warehouse yet.`,
    hint: ({ dimension }) => `${safe} Load "${dimension}" first, or fix the load that failed. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-10.',
  }),
  'Warehouse.LookupMissing': entry<{ target: string; dimension: string; count: number; samples: string }>({
    code: 'SLU6026',
    title: 'Keys find no version of their dimension.',
    message: ({ target, dimension, count, samples }) =>
      `${count} keys of the rows for "${target}" find no version of "${dimension}" that is valid at their time. The first: ${samples}`,
    hint: () =>
      `${safe} Let the load infer members (missing: 'infer'), or let such rows wait in quarantine by a reference check of the table. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-10: a fact that arrives before its dimension. An inferred member holds from the beginning of time until the first version that is known, and has nothing but its key.',
  }),
  'Warehouse.GrainBroken': entry<{ target: string; dimensions: string; rows: number; found: number }>({
    code: 'SLU6027',
    title: 'A lookup multiplies rows.',
    message: ({ target, dimensions, rows, found }) =>
      `${rows} rows of "${target}" became ${found} when they looked up ${dimensions}: a key has several versions at one time there.`,
    hint: () =>
      `${safe} Rows of the dimension were probably edited by hand: no load makes versions that overlap. Fix them. Then: sluice retry`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-17.',
  }),
}
