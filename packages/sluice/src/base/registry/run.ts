/** 40xx: runs, the ledger, leases. */
import { entry } from './entry.ts'

/** Errors of runs. */
export const runErrors = {
  'Run.Busy': entry<{ owner: string; since: string }>({
    code: 'SLU4001',
    title: 'Another run holds the project.',
    message: ({ owner, since }) => `Another run (${owner}) has held this project since ${since}.`,
    hint: () => 'Wait for it to end, or look at it with: sluice runs',
    retry: 'transient',
    exit: 5,
  }),
}
