/** 326x: tables that are made of changes. */
import { entry } from './entry.ts'

const kept = 'The table stays as it is, the log keeps every change, and other tables of the source go on.'

const listed = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')

/** Errors of tables that are made of changes. */
export const changesErrors = {
  'Changes.ValueNotHeld': entry<{ table: string; column: string; key: string }>({
    code: 'SLU3260',
    title: 'A value that stayed as it was is not held.',
    message: ({ table, column, key }) =>
      `A change of ${table} (key ${key}) left "${column}" as it was, so the server did not send its value; and the log has no earlier change of that row.`,
    hint: ({ table }) =>
      `${kept} To bring the row whole, run: sluice cdc resnapshot <source>; the change is then left out and counted, and the table goes on. So that it cannot happen again, on the server: ALTER TABLE ${table} REPLICA IDENTITY FULL`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault CD-11. PostgreSQL does not send large values (TOAST) that an update did not touch. They come from the earlier changes of the row; a table that was added without a copy has none. Where a later change says what became of the row, nothing stops.',
  }),
  'Changes.KeyMissing': entry<{ table: string; key: string; changes: number }>({
    code: 'SLU3261',
    title: 'Changes do not have the declared key.',
    message: ({ table, key, changes }) =>
      `${changes} changes of ${table} have no value for its key (${key}), so nobody can say which row they are of.`,
    hint: ({ table }) =>
      `${kept} Declare the columns of the primary key as \`key\`. A table without one needs on the server: ALTER TABLE ${table} REPLICA IDENTITY FULL`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Faults CD-12 and CD-14.',
  }),
  'Changes.KeyDiffers': entry<{ table: string; declared: string; found: string }>({
    code: 'SLU3262',
    title: 'The declared key is not that of the table.',
    message: ({ table, declared, found }) =>
      `Rows of ${table} are declared to be known by ${declared}; the server knows them by ${found}.`,
    hint: ({ found }) => `${kept} Declare \`key: [${found}]\`, by the names of your columns, then: sluice run`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Faults CD-13 and CD-17: with a part of the key two rows would be taken for one.',
  }),
  'Changes.KeyTwice': entry<{ table: string; declared: string; key: string }>({
    code: 'SLU3264',
    title: 'Two rows have the declared key.',
    message: ({ table, declared, key }) =>
      `${table} has no primary key, and two of its rows that live at once have the same ${declared}: ${key}.`,
    hint: ({ table }) =>
      `${kept} Declare columns as \`key\` that no two rows share, or give the table a primary key on the server and run: sluice cdc resnapshot (${table})`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Faults CD-13 and CD-14: what is declared to name a row does not, so that two rows would be taken for one.',
  }),
  'Changes.ColumnUnpublished': entry<{
    table: string
    missing: readonly string[]
    known: readonly string[]
    meant: readonly string[]
  }>({
    code: 'SLU3293',
    title: 'A declared column is not published.',
    message: ({ table, missing, known }) =>
      `The server has never published ${listed(missing)} of ${table}, so the column would be NULL for ever; published are ${listed(known)}.`,
    hint: ({ meant }) =>
      `${kept} ${meant.length > 0 ? `Was ${listed(meant)} meant? ` : ''}Correct the name (\`from\` names the column of the server), add it to the column list of the publication, or leave it out: generated columns are not published. A table that waits: sluice cdc accept. Then: sluice run`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Compared with every shape that the log has had of the table: a column that was dropped or renamed has its earlier values, and may stay declared as nullable.',
  }),
  'Changes.OperationUnknown': entry<{ file: string; row: string; op: string }>({
    code: 'SLU3265',
    title: 'A row of a change file does not say what it is.',
    message: ({ file, row, op }) => `${file}, row ${row}: the operation is ${op}, which is neither I, U nor D.`,
    hint: () =>
      `${kept} Check that \`op\` of the table names the column in which DMS writes the operation, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault CD-29. Only files of the first load (LOAD…) may leave the operation out.',
  }),
} as const
