/**
 * The catalogue of faults: what can go wrong between a file and the warehouse, by the numbers that errors and tests name. Inputs (IN), procedures and
 * queries (SR), change data capture (CD), the lake (LK), catalog and configuration (CT), orchestration (OR), the warehouse (WH), triggers (TR),
 * notifications (NO), the console (CO), AWS (AW).
 */

const numbers = (part: string, ...from: readonly (number | readonly [number, number])[]): string[] =>
  from
    .flatMap((one) =>
      typeof one === 'number' ? [one] : Array.from({ length: one[1] - one[0] + 1 }, (_, n) => one[0] + n),
    )
    .map((number) => `${part}-${String(number).padStart(2, '0')}`)

/** Faults that the code answers today. */
export const answered: readonly string[] = [
  ...numbers('IN', [1, 21], [23, 29]),
  ...numbers('LK', [1, 15]),
  ...numbers('CT', 1, 4, [6, 10]),
  ...numbers('OR', [1, 4], [6, 11], 13),
  ...numbers('WH', 1, 2, [4, 18]),
  ...numbers('TR', 4, 6, 9),
  ...numbers('NO', [1, 5]),
  ...numbers('SR', [1, 14]),
  ...numbers('CD', [1, 30]),
  'CO-10',
  'AW-12',
]

const put = (why: string, ids: readonly string[]): { readonly [fault: string]: string } =>
  Object.fromEntries(ids.map((fault) => [fault, why]))

/** Faults that wait, by why. */
export const later: { readonly [fault: string]: string } = {
  ...put('zip archives are not read: a .zip matches no format and is refused by its content', ['IN-22']),
  ...put('erasure comes with governance', ['LK-16']),
  ...put('there is no state database: state is files with exclusive creation', ['CT-02']),
  ...put('records of every format are read as they are: there is nothing to migrate', ['CT-03']),
  ...put('one run holds the project at a time: there are no concurrent schema changes', ['CT-05']),
  ...put('a run is never resumed: the next one plans anew from what is committed', ['OR-05']),
  ...put('queues, backfills and schedules come with triggers', numbers('OR', 12, 14, 16)),
  ...put('tasks run in the process itself, and its death is OR-01', ['OR-15']),
  ...put('Redshift comes later', ['WH-03']),
  ...put('events, watchers and signed triggers come later', numbers('TR', [1, 3], 5, 7, 8, 10)),
  ...put('grouping and dead-man timers come with schedules', numbers('NO', 6, 7)),
  ...put('the console comes later', numbers('CO', [1, 9], [11, 19])),
  ...put('AWS comes later', numbers('AW', [1, 11], [13, 15])),
}
