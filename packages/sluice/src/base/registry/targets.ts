/** 6xxx: targets that somebody else made, changed or depends on. A load is one transaction: each of these leaves the target as it was. */
import { entry } from './entry.ts'

const safe = 'Nothing was changed in the warehouse.'

/** Errors of targets. */
export const targetErrors = {
  'Warehouse.NotATable': entry<{ target: string; kind: string }>({
    code: 'SLU6028',
    title: 'The target is no table.',
    message: ({ target, kind }) => `"${target}" is a ${kind}, and a load writes tables: someone has put it there.`,
    hint: ({ target }) =>
      `${safe} Give the name back to the table: rename or drop what has it now, and rename the table to "${target}" where it has another name. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-13.',
  }),
  'Warehouse.RowsNotTaken': entry<{
    target: string
    what: 'to take' | 'to change' | 'to remove' | 'to hold'
    expected: number
    found: number
    meddlers: readonly string[]
  }>({
    code: 'SLU6029',
    title: 'The target did not take the rows that it was given.',
    message: ({ target, what, expected, found, meddlers }) =>
      `"${target}" was ${what} ${expected} rows, and it was ${found}: ${meddlers.length === 0 ? 'something in the warehouse skips, moves or adds rows' : `it has ${meddlers.join(', ')}`}.`,
    hint: ({ target }) =>
      `${safe} The load was rolled back. Let triggers and rules of "${target}" leave the number of rows as it is, or drop or disable them; rows that do not belong there are left out in the model. Then: sluice retry`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-18. Statements say how many rows they wrote, and the target is counted before and after: a trigger that skips a row, a rule that does something instead, and a trigger that adds rows are all seen. A trigger that only changes a value is not.',
  }),
  'Warehouse.RewriteLoses': entry<{ target: string; count: number; samples: string }>({
    code: 'SLU6030',
    title: 'Writing a target again would lose rows.',
    message: ({ target, count, samples }) =>
      `"${target}" has taken in ${count} batches that its table does not hold any more, so they cannot be written again. The first: ${samples}`,
    hint: () =>
      `${safe} Without --force an append only adds what is new. Bring the batches back into the table, or repair the rows by a client of the warehouse.`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault WH-04.',
  }),
  'Warehouse.TypeNeeded': entry<{ target: string; columns: readonly string[]; blockers: readonly string[] }>({
    code: 'SLU6031',
    title: 'Something in the warehouse needs a column as it is.',
    message: ({ target, columns, blockers }) =>
      `The load has to change the type of ${columns.map((column) => `"${column}"`).join(', ')} in "${target}", which ${blockers.join(', ')} forbid${blockers.length === 1 ? 's' : ''}.`,
    hint: ({ blockers }) =>
      `${safe} Keep what makes ${blockers.join(', ')}, drop ${blockers.length === 1 ? 'it' : 'them'}, load (sluice run), and make ${blockers.length === 1 ? 'it' : 'them'} again. Or cast the column in the model, so that its type stays.`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-13. PostgreSQL changes no type under a view, DuckDB none in a table that has an index. `sluice plan` says it before the run.',
  }),
  'Warehouse.ForeignKey': entry<{ target: string; why: string }>({
    code: 'SLU6032',
    title: 'A foreign key of the warehouse forbids a load.',
    message: ({ target, why }) => `The load of "${target}" breaks a foreign key: ${why}.`,
    hint: () =>
      `${safe} Rows that are named have to be there first, and rows that name them have to go first; loads of one run come in the order of the foreign keys between their targets. A table that others name is loaded by upsert; or declare the key DEFERRABLE, where the warehouse has that, so that replace can delete and insert again. Then: sluice retry`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-01. Each load is one transaction. Keys that are DEFERRABLE are checked at its end. What a load deletes while rows of a later load still name it is refused; the later load goes on, and the next run deletes.',
  }),
  'Warehouse.DeletesReach': entry<{ target: string; mode: string; keys: readonly string[] }>({
    code: 'SLU6033',
    title: 'What a load deletes would take rows of other tables along.',
    message: ({ target, mode, keys }) =>
      `The load of "${target}" by ${mode} deletes rows, and rows of other tables would follow by ${keys.join(', ')}.`,
    hint: () =>
      `${safe} Let the key be ON DELETE NO ACTION DEFERRABLE, so that rows may go and come again in one transaction; or load the table by upsert without deletes. Then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault WH-18: rows that a load deletes and writes again are there after it; rows of another table that followed them are not.',
  }),
}
