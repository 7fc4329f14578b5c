/** 45xx: storage and the lake. */
import { entry } from './entry.ts'

/** Errors of storage and the lake. */
export const lakeErrors = {
  'Lake.FileCorrupt': entry<{ file: string; expected: string; found: string }>({
    code: 'SLU4501',
    title: 'A data file is not what was committed.',
    message: ({ file, expected, found }) => `"${file}" is damaged: its record says ${expected}, the file has ${found}.`,
    hint: () =>
      'Other tables are unharmed. Go back to an intact version, or make the table again, with: sluice show <table> --versions',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault LK-03.',
  }),
  'Lake.RecordCorrupt': entry<{ file: string; why: string }>({
    code: 'SLU4502',
    title: 'A commit record cannot be read.',
    message: ({ file, why }) =>
      `The commit record "${file}" is damaged: ${why}. The table is not read, and nothing was written.`,
    hint: () => 'Other tables are unharmed. Restore this one file from a backup, then: sluice doctor',
    retry: 'terminal',
    exit: 1,
    explanation:
      'A commit record carries the SHA-256 of its own content, so that a flipped bit in it is found before it is believed. Faults LK-03, CT-01.',
  }),
  'Lake.FormatNewer': entry<{ file: string; format: number; known: number }>({
    code: 'SLU4503',
    title: 'The lake was written by a newer Sluice.',
    message: ({ file, format, known }) =>
      `"${file}" has format ${format}; this version of Sluice knows formats up to ${known}. Nothing was written.`,
    hint: () => 'Install the newer version that wrote it: npm install sluice@latest',
    retry: 'terminal',
    exit: 2,
    explanation: 'An older program that guesses at a newer format loses what it does not know. Faults CT-03, CT-04.',
  }),
  'Lake.Conflict': entry<{ table: string; expected: number; found: number }>({
    code: 'SLU4504',
    title: 'Another writer changed the table first.',
    message: ({ table, expected, found }) =>
      `Table "${table}" was planned on version ${expected}, but version ${found} is current: another writer committed first. Nothing was published.`,
    hint: () => 'The other version stays current. Plan again on it, with: sluice run',
    retry: 'transient',
    exit: 1,
    explanation:
      'Appends move to the new parent by themselves. A replacement does not: it was made from what the other writer has changed. Fault LK-05.',
  }),
  'Lake.SchemaConflict': entry<{ table: string; column: string; from: string; to: string }>({
    code: 'SLU4505',
    title: 'Appended rows do not fit the table.',
    message: ({ table, column, from, to }) =>
      `Column "${column}" of table "${table}" is ${from}; rows of type ${to} cannot be appended to it without loss. Nothing was published.`,
    hint: () =>
      'Keep the column as wide as it is: a table that grows cannot narrow what it holds. Where it must be narrower, give the source another name, so that its files land in a new table.',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Earlier files keep the type they were written with; a version reads them only where every value survives. Fault LK-11.',
  }),
  'Lake.UnknownVersion': entry<{ table: string; version: number }>({
    code: 'SLU4506',
    title: 'A version does not exist.',
    message: ({ table, version }) => `Table "${table}" has no version ${version}, or it is no longer kept.`,
    hint: ({ table }) => `See what is kept, with: sluice show ${table} --versions`,
    retry: 'terminal',
    exit: 2,
  }),
  'Lake.VersionMissing': entry<{ table: string; missing: number; newest: number; who: string }>({
    code: 'SLU4530',
    title: 'The newest commit record of a table is missing.',
    message: ({ table, missing, newest, who }) =>
      `Version ${missing} of "${table}" was committed, as ${who} says, and its record is not there; the newest that is left is ${newest === 0 ? 'none' : `version ${newest}`}. The table is not read, and nothing was written.`,
    hint: ({ table, missing, newest }) =>
      `Other tables are unharmed. Restore the record of that version, in the table's folder _versions, from a backup.${newest === 0 ? ' Where it is lost: move the folder of the table away; the table is made again from nothing.' : ` Where it is lost: sluice rollback ${table} ${newest} makes the version after ${missing} from what is left; what version ${missing} took has to be delivered again.`}`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'What is made from a table names its version, so the number of a lost version is never used again. The hint beside the records, the records of tables that were made from it, and the load ledger of the warehouse are asked. Faults LK-03, CT-01.',
  }),
  'Lake.LoadsUnknown': entry<{ table: string; why: string }>({
    code: 'SLU4531',
    title: 'Whether the newest commit record of a table is there cannot be known.',
    message: ({ table, why }) => `Nothing of "${table}" is removed: what was loaded of it cannot be asked. ${why}`,
    hint: () => 'Nothing was changed there. Run sluice clean again when the warehouse can be reached.',
    retry: 'transient',
    exit: 3,
    explanation:
      'Files of a version whose record was lost look like garbage. The load ledger of the warehouse knows which versions there were, so it is asked before anything is removed. Fault LK-03.',
  }),
  'Storage.UnsafePath': entry<{ path: string; why: string }>({
    code: 'SLU4551',
    title: 'A path is not safe.',
    message: ({ path, why }) => `${JSON.stringify(path)} is not used as a path: ${why}.`,
    hint: () => 'Nothing was read or written there.',
    retry: 'terminal',
    exit: 1,
    explanation:
      'Storage never leaves its root: no "..", no absolute path, no symbolic link on the way. Faults CT-10, LK-14.',
  }),
  'Storage.Full': entry<{ path: string; detail: string }>({
    code: 'SLU4552',
    title: 'The disk is full.',
    message: ({ path, detail }) => `"${path}" could not be written: the disk or the quota is full (${detail}).`,
    hint: () =>
      'Free some space: sluice clean removes what no version needs, and works on a full disk; nothing reads archive/, so move it away. Then: sluice run. Committed versions are unharmed.',
    retry: 'transient',
    exit: 1,
    explanation: 'Fault LK-04.',
  }),
  'Storage.Denied': entry<{ path: string; detail: string }>({
    code: 'SLU4553',
    title: 'The operating system refused access.',
    message: ({ path, detail }) => `"${path}" could not be used: access was refused (${detail}).`,
    hint: () => 'Give this user the right to the folder, then run the command again. Committed versions are unharmed.',
    retry: 'terminal',
    exit: 3,
  }),
  'Storage.Failed': entry<{ path: string; detail: string }>({
    code: 'SLU4554',
    title: 'The disk failed.',
    message: ({ path, detail }) => `An operation on "${path}" failed (${detail}).`,
    hint: () => 'Whatever was committed is unharmed; run the command again, and watch the disk: sluice doctor',
    retry: 'transient',
    exit: 3,
    explanation: 'Fault LK-04: EIO and everything else that a disk reports.',
  }),
}
