/** 40xx: runs, the ledger, leases. */
import { entry } from './entry.ts'

/** Errors of runs. */
export const runErrors = {
  'Run.Busy': entry<{ owner: string; since: string }>({
    code: 'SLU4001',
    title: 'Another run holds the project.',
    message: ({ owner, since }) => `Another run (${owner}) has held these pipelines since ${since}.`,
    hint: () =>
      'Wait for it to end, or look at it with: sluice runs; where its machine is gone: sluice doctor --release',
    retry: 'transient',
    exit: 5,
    explanation:
      'Fault OR-04. A run holds a lease with a heartbeat. One that ended on this machine is succeeded at once, any other when nothing of it has changed for 30 seconds while the next run watched; what it says of the time proves nothing.',
  }),
  'Run.StillLives': entry<{ run: string; host: string }>({
    code: 'SLU4030',
    title: 'The lease of a living run is not given up.',
    message: ({ run, host }) => `Run ${run} is at work on this machine (${host}); its lease was not given up.`,
    hint: ({ run }) => `End it with: sluice runs cancel ${run}`,
    retry: 'terminal',
    exit: 5,
    explanation: 'Fault OR-04. `sluice doctor --release` is for a run whose machine is gone.',
  }),
  'Run.RecordDamaged': entry<{ file: string }>({
    code: 'SLU4031',
    title: 'A record of a run is damaged.',
    message: ({ file }) => `"${file}" is damaged; what it says of its run is not known.`,
    hint: () => 'Tables and other runs are unharmed. Restore it from a backup, or remove the folder of that run.',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault CT-01. Whether work is done is never read from there.',
  }),
  'Run.ParametersInvalid': entry<{ count: number }>({
    code: 'SLU4021',
    title: 'The parameters of the run are not usable.',
    message: ({ count }) =>
      `The parameters of the run have ${count} problem${count === 1 ? '' : 's'}; nothing was run.`,
    hint: () => 'Give values with: sluice run -p <name>=<value>',
    retry: 'terminal',
    exit: 2,
    explanation: 'Every problem is reported at once, and nothing takes a default in place of a wrong value.',
  }),
  'Run.UnknownParameter': entry<{ parameter: string; known: readonly string[] }>({
    code: 'SLU4022',
    title: 'A parameter does not exist.',
    message: ({ parameter, known }) =>
      `No pipeline has a parameter "${parameter}".${known.length > 0 ? ` Parameters: ${known.join(', ')}.` : ''}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Run.WrongParameter': entry<{ parameter: string; expected: string; found: string }>({
    code: 'SLU4023',
    title: 'A parameter has a wrong value.',
    message: ({ parameter, expected, found }) => `The parameter "${parameter}" must be ${expected}, not ${found}.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Run.MissingParameter': entry<{ parameter: string; type: string }>({
    code: 'SLU4024',
    title: 'A parameter has no value.',
    message: ({ parameter, type }) => `The parameter "${parameter}" has no default and was given no value: ${type}.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Run.Fenced': entry<{ token: number; newer: number }>({
    code: 'SLU4002',
    title: 'This run has lost its lease.',
    message: ({ token, newer }) =>
      `Another run took over while this one was paused (its fencing token is ${token}, the newest is ${newer}). It publishes nothing more.`,
    hint: () => 'The run that took over goes on. Look at it with: sluice runs',
    retry: 'terminal',
    exit: 5,
    explanation: 'Faults LK-06 and OR-04.',
  }),
  'Run.TasksFailed': entry<{ failed: readonly string[]; skipped: number; kept: number }>({
    code: 'SLU4003',
    title: 'Tasks of the run failed.',
    message: ({ failed, skipped, kept }) =>
      `${failed.length} task${failed.length === 1 ? '' : 's'} failed (${failed.join(', ')}), ${skipped} that depend on them did not run; ${kept} are kept.`,
    hint: () => 'What was committed stays. Fix the cause, then: sluice retry',
    retry: 'terminal',
    exit: 1,
  }),
  'Run.FilesRefused': entry<{ count: number }>({
    code: 'SLU4004',
    title: 'Files were refused.',
    message: ({ count }) =>
      `${count} file${count === 1 ? ' was' : 's were'} refused and moved to the error folder, with a report beside ${count === 1 ? 'it' : 'them'}; everything else was published.`,
    hint: () => 'Read the report, fix the file, put it back into the inbox, then: sluice run',
    retry: 'terminal',
    exit: 1,
  }),
  'Run.NotFound': entry<{ run: string }>({
    code: 'SLU4005',
    title: 'There is no such run.',
    message: ({ run }) => `There is no run "${run}".`,
    hint: () => 'List the runs with: sluice runs',
    retry: 'terminal',
    exit: 2,
  }),
  'Run.Cancelled': entry<Record<string, never>>({
    code: 'SLU4006',
    title: 'The run was cancelled.',
    message: () => 'The run was cancelled; what was committed before stays, nothing is half done.',
    hint: () => 'The next run goes on from there: sluice run',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault OR-08.',
  }),
  'Run.NoVersion': entry<{ table: string }>({
    code: 'SLU4008',
    title: 'A table has no such version.',
    message: ({ table }) => `Table "${table}" has no version to read.`,
    hint: () => 'See what there is with: sluice catalog',
    retry: 'terminal',
    exit: 2,
  }),
  'Run.ModelReturned': entry<{ table: string; what: string }>({
    code: 'SLU4009',
    title: 'A code model returned something else than SQL or rows.',
    message: ({ table, what }) => `The model of "${table}" ${what}.`,
    hint: () => 'Return one SELECT as text, or rows as plain objects together with the columns they have.',
    retry: 'terminal',
    exit: 1,
  }),
  'Run.ModelThrew': entry<{ table: string; message: string }>({
    code: 'SLU4010',
    title: 'A code model threw an error.',
    message: ({ table, message }) => `The model of "${table}" threw: ${message}`,
    retry: 'terminal',
    exit: 1,
  }),
  'Run.NothingToRetry': entry<{ run: string }>({
    code: 'SLU4012',
    title: 'Nothing of that run failed.',
    message: ({ run }) => `No task of run "${run}" failed or was skipped.`,
    hint: () => 'Start a new run with: sluice run',
    retry: 'terminal',
    exit: 2,
  }),
  'Run.PartitionTooLong': entry<{ table: string; column: string }>({
    code: 'SLU4013',
    title: 'A partition value is too long.',
    message: ({ table, column }) =>
      `${table} is partitioned by "${column}", and a value of it is too long for the name of a folder: "${column}=<value>" may have 255 bytes, where other characters than letters, digits, -, _ and . count three. Nothing was published.`,
    hint: () =>
      'Partition by a column with few short values, or by yearMonth of a date; or shorten the value in the model. Then: sluice run',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault LK-14.',
  }),
  'Run.ColumnInexact': entry<{ table: string; column: string; type: string; inexact: string }>({
    code: 'SLU4014',
    title: 'A column has a type that data files cannot hold exactly.',
    message: ({ table, column, type, inexact }) =>
      `Column "${column}" of ${table} has the type ${type}, and Parquet files hold ${inexact} only in part${inexact.endsWith('HUGEINT') ? ' where it is nested' : ''}. Nothing was published.`,
    hint: () =>
      'Cast it in the model: intervals to a number of microseconds or to VARCHAR, times with a zone to VARCHAR or TIMESTAMPTZ, large integers to DECIMAL(38,0). Then: sluice run',
    retry: 'terminal',
    exit: 1,
    explanation: 'P4: a value lands equal to its source, or not at all.',
  }),
  'Run.TaskLost': entry<{ task: string; why: string }>({
    code: 'SLU4015',
    title: 'A task ended without an outcome.',
    message: ({ task, why }) =>
      `${task} ended without leaving an outcome: ${why}. What it committed is complete and stays; what it did not commit is nowhere to be seen.`,
    hint: () => 'Look at what it did with: sluice runs logs; then go on with: sluice retry',
    retry: 'terminal',
    exit: 1,
    explanation:
      'Faults OR-01 and OR-07. Its process was killed, or it was stopped at its timeout. A task that is run again begins from what is committed, so nothing is loaded twice.',
  }),
  'Run.StateMachineFailed': entry<{ error: string; cause: string }>({
    code: 'SLU4020',
    title: 'The state machine of a run failed.',
    message: ({ error, cause }) => `The run's state machine ended with ${error}: ${cause}`,
    hint: () => 'What was committed is kept. See what failed with: sluice runs; then go on with: sluice retry',
    retry: 'terminal',
    exit: 1,
  }),
}
