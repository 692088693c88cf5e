/** What a service is told from outside. */
export type Command =
  | { readonly do: 'sell'; readonly from: number; readonly to: number }
  | { readonly do: 'rebuild' };

/** What there is of a service besides its handler. */
export interface Service {
  /** How much it has done, in all its lives. */
  readonly done: number;
  readonly carryOut?: (command: Command) => Promise<void>;
}

export type ServiceName =
  | 'orders'
  | 'payments'
  | 'shipping'
  | 'mailer'
  | 'loyalty'
  | 'order-view'
  | 'analytics';
