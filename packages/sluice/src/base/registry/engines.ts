/** 47xx: engines. */
import { entry } from './entry.ts'

/** Errors of engines. */
export const engineErrors = {
  'Engine.Failed': entry<{ detail: string }>({
    code: 'SLU4701',
    title: 'The engine could not run a statement.',
    message: ({ detail }) => `DuckDB reported: ${detail}`,
    retry: 'terminal',
    exit: 1,
  }),
  'Engine.OutOfMemory': entry<{ detail: string }>({
    code: 'SLU4702',
    title: 'The engine ran out of its memory limit.',
    message: ({ detail }) => `DuckDB needed more than its memory limit, and could not spill: ${detail}`,
    hint: () =>
      'Raise engine.memoryLimit in sluice.config.ts, or give engine.tempDirectory a disk with room. Committed versions are unharmed.',
    retry: 'terminal',
    exit: 1,
  }),
  'Engine.DiskFull': entry<{ detail: string }>({
    code: 'SLU4703',
    title: 'The disk is full.',
    message: ({ detail }) => `DuckDB could not write: ${detail}`,
    hint: () =>
      'Free some space, then: sluice run. What `sluice clean` retires is removed a day later, when no reader needs it any more. Committed versions are unharmed.',
    retry: 'transient',
    exit: 1,
    explanation: 'Fault LK-04.',
  }),
  'Engine.Interrupted': entry<Record<string, never>>({
    code: 'SLU4704',
    title: 'A statement was stopped.',
    message: () => 'A statement was stopped before it ended; nothing of it was published.',
    retry: 'transient',
    exit: 1,
  }),
  'Engine.NothingWritten': entry<{ detail: string }>({
    code: 'SLU4706',
    title: 'The rows of a query were not written.',
    message: ({ detail }) => `DuckDB ran a query to its end, and its rows are not in what it wrote: ${detail}.`,
    hint: () => 'Nothing was published; the version before it is still current. Write the model with other constructs.',
    retry: 'terminal',
    exit: 1,
    explanation: 'What a query gives is counted twice, by the query and in the written files, before it is a version.',
  }),
  'Engine.TextBroken': entry<{ unit: string; at: number }>({
    code: 'SLU4705',
    title: 'A text is not Unicode.',
    message: ({ unit, at }) =>
      `A text holds half a surrogate pair (U+${unit}) after ${at} characters. UTF-8 cannot hold it, and it is never replaced by another character.`,
    hint: () =>
      'Nothing of it was published. Correct the text where it comes from: it was cut in the middle of a character.',
    retry: 'terminal',
    exit: 1,
    explanation:
      'UTF-16 sources (nvarchar, JavaScript) can hold half of a character; files and databases in UTF-8 cannot.',
  }),
}
