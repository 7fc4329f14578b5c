/** 9xxx: bugs of Sluice itself. */
import { entry } from './entry.ts'

/** Errors that only a bug can cause. */
export const internalErrors = {
  Internal: entry<{ why: string }>({
    code: 'SLU9001',
    title: 'Sluice has a bug.',
    message: ({ why }) => `An assertion does not hold: ${why}.`,
    hint: () => 'Nothing after this point was published. Please report it, with .sluice/debug.log.',
    retry: 'terminal',
    exit: 70,
  }),
}
