declare module "virtual:brand.css";
declare module "*?worker&url" {
  const url: string;
  export default url;
}
