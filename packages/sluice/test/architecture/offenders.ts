/**
 * What breaks a limit of `sizes.test.ts` and is known to. A list may only shrink: what no longer breaks its limit must be taken off. The one list that stays
 * is that of byte loops, where what is one function is one for its speed.
 */

/** Functions that walk over bytes, and why each is long. */
export const byteLoops: { readonly [place: string]: string } = {
  'sources/cdc/wire/pgoutput.ts: pgoutputDecoder':
    'reads a message at its offset, its functions share the buffer and the relations that it knows',
  'sources/cdc/wire/tuple-image.ts: tupleReader': 'writes the JSON of a row while it reads its bytes, into one buffer',
  'sources/files/text/file-records.ts: recordPass': 'one pass over the bytes of a file, its state in local variables',
  'sources/files/text/record-splitter.ts: recordSplitter':
    'finds the ends of records byte by byte, its state in local variables',
}

export const knownLongFiles: readonly string[] = [
  'definition/types.ts',
  'run/execution/execute.ts',
  'sources/files/text/file-records.ts',
]

export const knownFunctions: readonly string[] = [
  'sources/cdc/log-writer.ts: changeLogWriter',
  'sources/cdc/transactions.ts: transactionAssembler',
  'storage/disk/storage.ts: diskStorage',
]

export const knownFolders: readonly string[] = ['lake']

/** Each a group of files that reach each other. */
export const knownCycles: readonly string[] = [
  'cli/command-table.ts ↔ cli/command.ts',
  'definition/cdc/types.ts ↔ definition/procedures/types.ts ↔ definition/types.ts',
  'lake/commit.ts ↔ lake/set-aside.ts',
  'quality/cast-number.ts ↔ quality/cast-time.ts ↔ quality/casts.ts',
  'run/cdc/control.ts ↔ run/cdc/resnapshot.ts',
  'run/connections/connections.ts ↔ run/context.ts',
  'run/doctor/changes.ts ↔ run/doctor/connections.ts ↔ run/doctor/doctor.ts',
  'run/execution/execute.ts ↔ run/execution/notify.ts',
  'run/planning/analyse.ts ↔ run/planning/models.ts',
  'sources/cdc/capture.ts ↔ sources/cdc/copy/first-copy.ts ↔ sources/cdc/drain.ts ↔ sources/cdc/source.ts',
  'sources/files/text/field-texts.ts ↔ sources/files/text/file-records.ts',
  'sources/procedures/extraction.ts ↔ sources/procedures/source.ts ↔ sources/procedures/take.ts',
  'sql/report.ts ↔ sql/scope.ts',
  'warehouses/load-mode.ts ↔ warehouses/lookups.ts ↔ warehouses/scd2/members.ts ↔ warehouses/scd2/shape.ts ↔ warehouses/scd2/timeline.ts',
]
