/** 1xxx: the project and its definitions. */
import { entry } from './entry.ts'

/** Errors of projects and definitions. */
export const definitionErrors = {
  'Definition.Invalid': entry<{ count: number }>({
    code: 'SLU1001',
    title: 'The definition has problems.',
    message: ({ count }) => `The definition has ${count} problem${count === 1 ? '' : 's'}; nothing was run.`,
    hint: () => 'Fix what is listed above, then run: sluice check',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.UnknownTable': entry<{ table: string; known?: readonly string[] }>({
    code: 'SLU1002',
    title: 'A table does not exist.',
    message: ({ table, known }) =>
      `Table "${table}" does not exist.${known && known.length > 0 ? ` Tables: ${known.join(', ')}.` : ''}`,
    retry: 'terminal',
    exit: 2,
  }),
}
