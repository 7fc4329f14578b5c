/** 6xxx: warehouses and loads. */
import { entry } from './entry.ts'

/** Errors of warehouses. */
export const warehouseErrors = {
  'Warehouse.Locked': entry<{ path: string; detail: string }>({
    code: 'SLU6001',
    title: 'Another process has the warehouse open.',
    message: ({ path, detail }) => `Another process has "${path}" open: ${detail}`,
    hint: () => 'Close that process; nothing was changed. Then: sluice run',
    retry: 'transient',
    exit: 5,
  }),
}
