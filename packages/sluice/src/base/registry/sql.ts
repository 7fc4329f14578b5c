/** 2xxx: SQL models, lineage, the plan. */
import { entry } from './entry.ts'

/** Errors of SQL and of the plan. */
export const sqlErrors = {
  'Sql.Syntax': entry<{ detail: string }>({
    code: 'SLU2001',
    title: 'The SQL cannot be read.',
    message: ({ detail }) => `The SQL cannot be read: ${detail}`,
    retry: 'terminal',
    exit: 2,
  }),
}
